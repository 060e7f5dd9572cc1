"""The scan of a re-embedding: every key of the source that the candidate lacks is encoded."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from embark.clock import Clock
from embark.settings import KfcSettings
from embark.store import RolloutStore
from embark.store.ranges import REEMBED_RANGES, split_ring
from embark_local.progress import Progress
from kfc.encoder import RetinaEncoder
from kfc.outages import Outages, Server
from kfc.reembed.lookup_times import LookupLatencySource
from kfc.reembed.options import ReembedOptions
from kfc.reembed.reembedding import Reembedding
from kfc.runtime import KfcRuntime

_MIN_MEASURED_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Scan:
    """The parameters of a scan; one with other parameters continues from the same checkpoints."""

    settings: KfcSettings
    """Those of the candidate's KFC, with the address of its Retina."""
    max_keys_per_second: int
    max_lookup_slowdown: float
    attempt: int
    """Attempts after the first encode again what an earlier one failed on."""


def run_scan(
    scan: Scan,
    store: RolloutStore,
    outages: Outages,
    *,
    lookups: LookupLatencySource,
    clock: Clock,
    on_progress: Callable[[Progress], None],
    timer: Callable[[], float] = time.monotonic,
) -> float:
    """Re-embed what is left; return the keys per second of this run, 0 if there were none.

    Raises:
        StoppedError: `outages` were stopped; a later run continues from the checkpoints.
    """
    settings = scan.settings
    total = outages.retry_until_up(Server.STORE, lambda: store.count(settings.source))
    ranges = outages.retry_until_up(Server.STORE, lambda: store.checkpoints().load(settings.space.id))
    done, failed = sum(part.done for part in ranges), sum(part.failed for part in ranges)
    started, before, rate = timer(), done + failed, 0.0

    def add(more_done: int, more_failed: int) -> None:
        nonlocal done, failed, rate
        done, failed = done + more_done, failed + more_failed
        rate = (done + failed - before) / max(timer() - started, _MIN_MEASURED_SECONDS)
        on_progress(Progress(done, failed, total, rate))

    on_progress(Progress(done, failed, total))
    with closing(RetinaEncoder(settings.retina, settings.space, settings.encode_timeout)) as encoder:
        options = ReembedOptions(
            keys_per_second=scan.max_keys_per_second,
            lookups=lookups,
            slowdown=scan.max_lookup_slowdown,
            retry_failed=scan.attempt > 0,
            on_progress=add,
        )
        runtime = KfcRuntime(outages, clock=clock, timer=timer)
        Reembedding(settings, store, encoder, runtime, options).run(split_ring(REEMBED_RANGES))
    return rate
