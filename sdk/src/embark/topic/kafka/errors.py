"""The errors of the Kafka client, and what its connections report about brokers that do not answer.

librdkafka's calls end with "Broker transport failure" or "Timed out" whether a broker is down, the password is wrong or
its certificate is not trusted. The cause is reported separately, once in half a minute.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from embark.topic.kafka import client_internals
from embark.topic.kafka.client_internals import without_times

_UNTRUSTED: Final = frozenset({client_internals.AUTHENTICATION, client_internals.SSL})
_UNREACHED: Final = _UNTRUSTED | {
    client_internals.ALL_BROKERS_DOWN,
    client_internals.MESSAGE_TIMED_OUT,
    client_internals.RESOLVE,
    client_internals.TIMED_OUT,
    client_internals.TRANSPORT,
}
# Twice the time after which librdkafka repeats a report.
_MAX_AGE_SECONDS: Final = 60.0


def unwrap(exception: KafkaException) -> KafkaError:
    """Return the error that an exception of the client carries."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(exception))


def is_fatal(error: KafkaError) -> bool:
    """Return whether the client that reports this error stops working."""
    return error.fatal() or error.code() == client_internals.FATAL


def is_unreached(error: KafkaError) -> bool:
    """Return whether no broker was reached, as opposed to an error that a broker returned."""
    return error.code() in _UNREACHED


class ConnectionErrors:
    """The most telling error that connections reported lately; thread-safe.

    `access` describes how the brokers are contacted; `timer` counts seconds.
    """

    def __init__(self, access: str, timer: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._timer = timer
        self._lock = threading.Lock()  # guards the next three
        self._report = ""
        self._telling = False
        self._recorded_at = 0.0

    def record(self, error: KafkaError) -> None:
        """Record the report of a connection; a refused certificate or password takes precedence over other errors."""
        if error.code() == client_internals.ALL_BROKERS_DOWN:
            return
        report, now = without_times(error.str()), self._timer()
        # To librdkafka a broker that refuses this client's certificate is only an error of reading from it.
        telling = error.code() in _UNTRUSTED or "SSL" in report
        with self._lock:
            outdated = now - self._recorded_at > _MAX_AGE_SECONDS
            if not self._report or outdated or (telling and not self._telling):
                self._report, self._telling, self._recorded_at = report, telling, now

    def explain(self, error: KafkaError) -> str:
        """Return the error for people; if no broker was reached, with the recorded report and the access."""
        if not is_unreached(error):
            return error.str()
        with self._lock:
            report = self._report if self._timer() - self._recorded_at <= _MAX_AGE_SECONDS else ""
        return f"{error.str()} ({report + '; ' if report else ''}{self._access})"
