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
from embark.settings import KfcSettings
from embark.store import RolloutStore, TokenRange
from embark.store.progress import find_progress
from kfc.backoff import Jitter, key_backoff
from kfc.calls import Calls, Timer
from kfc.encoder import Encoder
from kfc.metrics import Metrics
from kfc.outages import Outages, Server
from kfc.reembed.lookup_times import TimesSince
from kfc.reembed.pacing import paced
from kfc.reembed.pages import SourcePages
from kfc.reembed.pipeline import Run
from kfc.reembed.rates import RateLimit
from kfc.reembed.retries import Attempts
from kfc.scans import PAGE_ROWS

# Pages are read one after the other by each: a busy store takes about as long to answer the two reads of a page as to
# take its rows.
_READERS: Final = 2

_ROWS_BESIDE_LOOKUPS: Final = 50

Told = Callable[[int, int], None]
"""Takes how many keys of the pages just checkpointed are done, and how many have failed."""


def ignored(done: int, failed: int) -> None:
    """Tell nobody."""


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
        encoder: Encoder,
        *,
        outages: Outages,
        clock: Clock,
        keys_per_second: float = 0,
        lookups: TimesSince | None = None,
        slowdown: float = 0,
        again: bool = False,
        timer: Timer = time.monotonic,
        told: Told = ignored,
        jitter: Jitter = random.random,
        metrics: Metrics | None = None,
    ) -> None:
        """Take keys_per_second as the limit of this process, 0 for none; `again`: see plan_page.

        Look-ups, of which `lookups` tells, take at most `slowdown` times as long as they do without; 0: as they may.
        """
        if not settings.source:
            raise ValueError(f"the settings of the space {settings.space.id} name no source")
        self._settings: Final = settings
        self._store: Final = store
        self._outages: Final = outages
        self._again: Final = again
        self._timer: Final = timer
        self._told: Final = told
        self._jitter: Final = jitter
        self._limit: Final = RateLimit(keys_per_second or inf, timer, outages.pause)
        self._lookups: Final = lookups
        self._slowdown: Final = slowdown
        self._calls: Final = Calls(
            settings.space.id,
            store,
            encoder,
            outages=outages,
            metrics=metrics or Metrics(CollectorRegistry()),
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
            self._store, source, candidate, insist=self._outages.insist, again=self._again, piece=self._rows_at_a_time
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
        Run(
            settings,
            self._calls,
            self._store.checkpoints(),
            [pages.of(ranges[reader::_READERS]) for reader in range(_READERS)],
            attempts=Attempts(settings.retry.max_attempts, key_backoff(settings.retry, self._jitter)),
            limit=self._limit,
            outages=self._outages,
            timer=self._timer,
            told=self._told,
        ).run()

    def _unfinished(self, ranges: Sequence[TokenRange]) -> Sequence[TokenRange]:
        """Return the ranges that were left to another process which is not there any more, or is not done yet.

        The last save of a process that died may arrive after its successor has begun. Ranges without a checkpoint are
        those of a space that was dropped.
        """
        space = self._settings.space.id
        stored = self._outages.insist(Server.STORE, lambda: self._store.checkpoints().load(space))
        begun = ((within, find_progress(stored, space, within)) for within in ranges)
        return [within for within, progress in begun if progress is not None and not progress.finished]
