"""The re-embedding: encodes the keys of one space into another; `kfc.reembed` and the local mode run it."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import inf
from typing import Final

from prometheus_client import CollectorRegistry

from embark.clock import Clock
from embark.retries import Jitter, Retries
from embark.settings import KfcSettings
from embark.store import RolloutStore, TokenRange
from embark.store.progress import find_progress
from kfc.backoff import key_backoff
from kfc.calls import Calls, Timer
from kfc.encoder import EncoderClient
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server
from kfc.reembed.lookup_times import LookupLatencySource
from kfc.reembed.pace import paced
from kfc.reembed.pages import SourcePages
from kfc.reembed.pipeline import ReembedPass
from kfc.reembed.rates import RateLimit
from kfc.scans import PAGE_ROWS

# Pages are read one after the other by each: a busy store takes about as long to answer the two reads of a page as to
# take its rows.
_READERS: Final = 2

_ROWS_BESIDE_LOOKUPS: Final = 50

OnProgress = Callable[[int, int], None]
"""Called with the number of keys done and failed in the pages that were just checkpointed."""


class Reembedding:
    """Fills `settings.space` from the space `settings.source`, both ensured in `store`.

    What the candidate has already is skipped; what is written meanwhile by its KFC wins by time. A range is gone on
    with from its checkpoint, which moves only after the writes before it are acknowledged: so a process that is killed
    at any point leaves no key out, and only what it had under way is encoded again. A range in which another process is
    further is left to it, and looked at again at the end.
    """

    def __init__(
        self,
        settings: KfcSettings,
        store: RolloutStore,
        encoder: EncoderClient,
        *,
        outages: Outages,
        clock: Clock,
        keys_per_second: float = 0,
        lookups: LookupLatencySource | None = None,
        slowdown: float = 0,
        retry_failed: bool = False,
        timer: Timer = time.monotonic,
        on_progress: OnProgress | None = None,
        jitter: Jitter = random.random,
        metrics: KfcMetrics | None = None,
    ) -> None:
        """Take keys_per_second as the limit of this process, 0 for none; `retry_failed`: see plan_page.

        Look-ups, of which `lookups` tells, take at most `slowdown` times as long as they do without; 0: as they may.
        """
        if not settings.source:
            raise ValueError(f"the settings of the space {settings.space.id} name no source")
        self._settings: Final = settings
        self._store: Final = store
        self._outages: Final = outages
        self._retry_failed: Final = retry_failed
        self._timer: Final = timer
        self._on_progress: Final = on_progress
        self._jitter: Final = jitter
        self._limit: Final = RateLimit(keys_per_second or inf, timer, outages.pause)
        self._lookups: Final = lookups
        self._slowdown: Final = slowdown
        self._calls: Final = Calls(
            settings.space.id,
            store,
            encoder,
            outages=outages,
            metrics=metrics or KfcMetrics(CollectorRegistry()),
            clock=clock,
            timer=timer,
        )
        self._log: Final = logging.getLogger(__name__)

    @property
    def keys_per_second(self) -> float:
        """How many keys a second it may encode now; 0: none, inf: any."""
        return self._limit.rate

    def run(self, ranges: Sequence[TokenRange]) -> None:
        """Re-embed what is left of the ranges, waiting out every outage.

        Raises:
            StoppedError: the event that `outages` waits with was set; what was encoded by then is written.
            ValueError: the candidate has checkpoints of another split of the ring.
        """
        settings = self._settings
        source, candidate = settings.source, settings.space.id
        pages = SourcePages(
            self._store,
            source,
            candidate,
            retry_until_up=self._outages.retry_until_up,
            retry_failed=self._retry_failed,
            piece=self._rows_at_a_time,
        )
        extra = {"cache": settings.cache, "space": candidate}
        self._log.info("re-embedding %d ranges of space %s", len(ranges), source, extra=extra)
        left = ranges
        pacing = (
            paced(self._limit, self._lookups, self._slowdown) if self._lookups and self._slowdown else nullcontext()
        )
        with pacing:
            while left:
                self._run_once(left, pages)
                left = self._unfinished(ranges)
        self._log.info("the ranges are re-embedded", extra=extra)

    def _rows_at_a_time(self) -> int:
        # Cassandra reads whole rows, though keys alone are asked for: look-ups wait for those of a page.
        return PAGE_ROWS if self._limit.rate == inf else _ROWS_BESIDE_LOOKUPS

    def _run_once(self, ranges: Sequence[TokenRange], pages: SourcePages) -> None:
        settings = self._settings
        ReembedPass(
            settings,
            self._calls,
            self._store.checkpoints(),
            [pages.of(ranges[reader::_READERS]) for reader in range(_READERS)],
            retries=Retries(settings.retry.max_attempts, key_backoff(settings.retry, self._jitter)),
            limit=self._limit,
            outages=self._outages,
            timer=self._timer,
            on_progress=self._on_progress,
        ).run()

    def _unfinished(self, ranges: Sequence[TokenRange]) -> Sequence[TokenRange]:
        """Return the ranges that were left to another process which is not there any more, or is not done yet.

        The last save of a process that died may arrive after its successor has begun. Ranges without a checkpoint are
        those of a space that was dropped.
        """
        space = self._settings.space.id
        stored = self._outages.retry_until_up(Server.STORE, lambda: self._store.checkpoints().load(space))
        begun = ((within, find_progress(stored, space, within)) for within in ranges)
        return [within for within, progress in begun if progress is not None and not progress.finished]
