"""Forwards librdkafka's log lines to logging."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from embark.topic.kafka.client_internals import without_times

# In an outage each client repeats its lines with every attempt to connect, several times a second.
_SECONDS_BETWEEN_REPEATS: Final = 60.0
_MAX_REMEMBERED: Final = 1_000


class KafkaLog:
    """A logger for clients that forwards a repeated line once a minute; thread-safe. `timer` counts seconds."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._log = logging.getLogger(__name__)
        self._lock = threading.Lock()
        self._forwarded: dict[str, float] = {}

    def log(self, level: int, message: str, *parts: object) -> None:
        """Log as logging.Logger.log does; confluent-kafka calls it."""
        line = message % parts
        if self._is_due(without_times(line)):
            self._log.log(level, "%s", line)

    def _is_due(self, line: str) -> bool:
        now = self._timer()
        with self._lock:
            if now - self._forwarded.get(line, -_SECONDS_BETWEEN_REPEATS) < _SECONDS_BETWEEN_REPEATS:
                return False
            if len(self._forwarded) >= _MAX_REMEMBERED:
                self._forwarded.clear()
            self._forwarded[line] = now
            return True
