"""Wakes the consumers of an embedded topic when a producer of the same process appends records."""

import threading


class Arrivals:
    """Counts announcements; a waiter passes the count that it has seen, so that it misses none in between."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def seen(self) -> int:
        """Return the present count; call it before looking for records."""
        with self._condition:
            return self._count

    def announce(self) -> None:
        """Wake all waiters."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return once there was an announcement since `seen`, or after `seconds`."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, max(0.0, seconds))
