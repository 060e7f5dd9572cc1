"""Why no broker answers, as far as its connections said; KafkaCluster notes it and adds it to its errors.

librdkafka's calls end as "Broker transport failure" or "Timed out" whether a broker is down, the password is wrong or
its certificate is not trusted. What is wrong is reported beside them, once in half a minute.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError

# librdkafka's own codes are named with an underscore.
_UNTRUSTED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001
_UNREACHED: Final = _UNTRUSTED | {
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
}
# Twice the time after which librdkafka repeats a report.
_KEPT_SECONDS: Final = 60.0
# "(after 7ms in state CONNECT, 2 identical error(s) suppressed)": the same line but for that is a repeat.
_TIMES: Final = re.compile(r" *\(after .*?ms in state .*")


def is_unreached(error: KafkaError) -> bool:
    """Return whether the error says that no broker was reached, and not what a broker said."""
    return error.code() in _UNREACHED


def without_times(line: str) -> str:
    """Return a line of librdkafka without what differs when it is repeated."""
    return _TIMES.sub("", line)


class KafkaFaults:
    """Thread-safe. `asked` says how brokers are spoken to; `timer` counts seconds."""

    def __init__(self, asked: str, timer: Callable[[], float] = time.monotonic) -> None:
        self._asked: Final = asked
        self._timer: Final = timer
        self._lock: Final = threading.Lock()  # guards the next three
        self._said = ""
        self._telling = False
        self._noted_at = 0.0

    def note(self, error: KafkaError) -> None:
        """Keep what a connection reports; a refused certificate or password tells more than any other fault."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            return
        said, now = without_times(error.str()), self._timer()
        # That a broker refuses this client's certificate is a fault of reading from it, to librdkafka.
        telling = error.code() in _UNTRUSTED or "SSL" in said
        with self._lock:
            if not self._said or now - self._noted_at > _KEPT_SECONDS or (telling and not self._telling):
                self._said, self._telling, self._noted_at = said, telling, now

    def explain(self, error: KafkaError) -> str:
        """Return the error for people: with what was noted and how brokers are spoken to, where none was reached."""
        if not is_unreached(error):
            return error.str()
        with self._lock:
            said = self._said if self._timer() - self._noted_at <= _KEPT_SECONDS else ""
        return f"{error.str()} ({said + '; ' if said else ''}{self._asked})"
