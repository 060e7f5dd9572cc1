"""The context that the parts of one server share."""

from dataclasses import dataclass

from embark.clock import Clock
from embark.settings import EmbArkSettings
from embark_server.guarded_store import GuardedStore
from embark_server.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from embark_server.metrics import EmbArkMetrics
from embark_server.spaces import ServedSpaces


@dataclass(frozen=True, slots=True)
class ServerContext:
    """Settings, served spaces, store, clock, metrics and limits of one server."""

    settings: EmbArkSettings
    spaces: ServedSpaces
    store: GuardedStore
    clock: Clock
    metrics: EmbArkMetrics
    limits: Limits = DEFAULT_LIMITS
    timeouts: Timeouts = DEFAULT_TIMEOUTS
