"""The parts of confluent-kafka and librdkafka that their documentation does not promise; no other module uses such.

librdkafka's own error codes, below zero, are attributes of KafkaError with a leading underscore. They were checked with
the release CHECKED_VERSION. After an upgrade a test asks for the checks to be repeated.
"""

import re
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError

CHECKED_VERSION: Final = "2.16.1"

ALL_BROKERS_DOWN: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - see above
AUTHENTICATION: Final = KafkaError._AUTHENTICATION  # noqa: SLF001
FATAL: Final = KafkaError._FATAL  # noqa: SLF001
MESSAGE_TIMED_OUT: Final = KafkaError._MSG_TIMED_OUT  # noqa: SLF001
PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
RESOLVE: Final = KafkaError._RESOLVE  # noqa: SLF001
SSL: Final = KafkaError._SSL  # noqa: SLF001
TIMED_OUT: Final = KafkaError._TIMED_OUT  # noqa: SLF001
TRANSPORT: Final = KafkaError._TRANSPORT  # noqa: SLF001
UNSUPPORTED_FEATURE: Final = KafkaError._UNSUPPORTED_FEATURE  # noqa: SLF001

# "(after 7ms in state CONNECT, 2 identical error(s) suppressed)": all that differs when a line is repeated.
_TIMES: Final = re.compile(r" *\(after .*?ms in state .*")


def without_times(line: str) -> str:
    """Return an error or log line of librdkafka without the part that differs when it is repeated."""
    return _TIMES.sub("", line)


def mentions_any(error: KafkaError, codes: Iterable[int]) -> bool:
    """Return whether the text of a fatal error, which has no code of its cause, names one of these causes."""
    return any(KafkaError(code).str() in error.str() for code in codes)
