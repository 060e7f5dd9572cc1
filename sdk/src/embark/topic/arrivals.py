"""How producers of a process wake its consumers; used by the embedded topics."""

import threading


class Arrivals:
    """Counts announcements; a waiter says which count it has seen, so that none in between is missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def seen(self) -> int:
        """Return the count now; ask for it before looking for records."""
        with self._condition:
            return self._count

    def announce(self) -> None:
        """Wake everyone who waits."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when there was an announcement since `seen`, or after `seconds`."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, max(0.0, seconds))
