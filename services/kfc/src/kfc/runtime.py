"""What the parts of a KFC process share: how to wait out outages, metrics, clocks and randomness."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from embark.clock import Clock, now
from embark.retries import Jitter
from kfc.metrics import KfcMetrics
from kfc.outages import Outages

Timer = Callable[[], float]
"""Returns the seconds of a monotonic clock, such as time.monotonic."""


def _unexported_metrics() -> KfcMetrics:
    return KfcMetrics(CollectorRegistry())


@dataclass(frozen=True, slots=True)
class KfcRuntime:
    """The outages, metrics, clocks and randomness of one process; thread-safe."""

    outages: Outages
    metrics: KfcMetrics = field(default_factory=_unexported_metrics)
    clock: Clock = now
    timer: Timer = time.monotonic
    jitter: Jitter = random.random
