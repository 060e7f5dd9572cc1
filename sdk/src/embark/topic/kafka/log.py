"""Passes librdkafka's log lines on to logging; KafkaCluster gives it to every client as its logger."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from embark.topic.kafka.faults import without_times

# In an outage each client repeats its lines with every attempt to connect, several times a second.
_SECONDS_BETWEEN_REPEATS: Final = 60.0
_MAX_REMEMBERED: Final = 1_000


class KafkaLog:
    """Thread-safe; a line that is repeated is passed on once a minute. `timer` counts seconds."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer: Final = timer
        self._log: Final = logging.getLogger(__name__)
        self._lock: Final = threading.Lock()
        self._passed: dict[str, float] = {}

    def log(self, level: int, message: str, *parts: object) -> None:
        """Called by confluent-kafka, as it would call logging.Logger.log."""
        line = message % parts
        if self._is_due(without_times(line)):
            self._log.log(level, "%s", line)

    def _is_due(self, line: str) -> bool:
        now = self._timer()
        with self._lock:
            if now - self._passed.get(line, -_SECONDS_BETWEEN_REPEATS) < _SECONDS_BETWEEN_REPEATS:
                return False
            if len(self._passed) >= _MAX_REMEMBERED:
                self._passed.clear()
            self._passed[line] = now
            return True
