"""The re-embedding: encodes the keys of one space into another."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from math import inf
from typing import Final

from embark.settings import KfcSettings
from embark.store import RolloutStore, TokenRange
from embark.store.progress import find_progress
from kfc.calls import FillCalls
from kfc.encoder import EncoderClient
from kfc.outages import Server
from kfc.reembed.options import ReembedOptions
from kfc.reembed.pace import paced
from kfc.reembed.pages import SourcePages
from kfc.reembed.pipeline import ReembedPass
from kfc.reembed.rates import RateLimit
from kfc.runtime import KfcRuntime

# Each reads its pages one after the other. A busy store takes about as long for the two reads of a page as for the
# writes of its rows.
_READERS: Final = 2

# Rows to request at a time while lookups limit the re-embedding: Cassandra reads whole rows even for their keys, and
# lookups wait for them.
_LIMITED_FETCH_ROWS: Final = 50


class Reembedding:
    """Fills the space `settings.space` from `settings.source`; both exist in `store`.

    Keys that the candidate has are skipped, and rows that its KFC writes at the same time win by their time. A range
    continues from its checkpoint, which moves only after the writes before it are acknowledged. So a process that is
    killed at any point omits no key, and only the keys in flight are encoded again. A range in which another process is
    ahead is left to it, and checked again at the end.
    """

    def __init__(
        self,
        settings: KfcSettings,
        store: RolloutStore,
        encoder: EncoderClient,
        runtime: KfcRuntime,
        options: ReembedOptions,
    ) -> None:
        if not settings.source:
            raise ValueError(f"the settings of the space {settings.space.id} name no source")
        self._settings = settings
        self._store = store
        self._runtime = runtime
        self._options = options
        self._limit = RateLimit(options.keys_per_second or inf, runtime.timer, runtime.outages.pause)
        self._calls = FillCalls(settings.space.id, store, encoder, runtime)
        self._log = logging.getLogger(__name__)

    @property
    def keys_per_second(self) -> float:
        """Keys a second that may be encoded now; 0: none, inf: any number."""
        return self._limit.rate

    def run(self, ranges: Sequence[TokenRange]) -> None:
        """Re-embed the unfinished part of the ranges, waiting out outages.

        Raises:
            StoppedError: `outages` was stopped; what was encoded by then is written.
            ValueError: the candidate has checkpoints of another split of the ring.
        """
        settings, options = self._settings, self._options
        source, candidate = settings.source, settings.space.id
        pages = SourcePages(
            self._store,
            source,
            candidate,
            retry_until_up=self._runtime.outages.retry_until_up,
            retry_failed=options.retry_failed,
            page_rows=options.limits.page_rows,
            fetch_rows=self._fetch_rows,
        )
        extra = {"cache": settings.cache, "space": candidate}
        self._log.info("re-embedding %d ranges of space %s", len(ranges), source, extra=extra)
        left = ranges
        pacing = (
            paced(self._limit, options.lookups, options.slowdown)
            if options.lookups and options.slowdown
            else nullcontext()
        )
        with pacing:
            while left:
                self._run_once(left, pages)
                left = self._unfinished(ranges)
        self._log.info("the ranges are re-embedded", extra=extra)

    def _fetch_rows(self) -> int:
        return self._options.limits.page_rows if self._limit.rate == inf else _LIMITED_FETCH_ROWS

    def _run_once(self, ranges: Sequence[TokenRange], pages: SourcePages) -> None:
        ReembedPass(
            self._settings,
            self._calls,
            self._store.checkpoints(),
            [pages.read(ranges[reader::_READERS]) for reader in range(_READERS)],
            limit=self._limit,
            runtime=self._runtime,
            options=self._options,
        ).run()

    def _unfinished(self, ranges: Sequence[TokenRange]) -> Sequence[TokenRange]:
        """Return the ranges that were left to another process, which has died or is not done yet.

        The last save of a dead process may arrive after its successor has begun. Ranges without a checkpoint belong to
        a space that was dropped.
        """
        space = self._settings.space.id
        stored = self._runtime.outages.retry_until_up(Server.STORE, lambda: self._store.checkpoints().load(space))
        begun = ((token_range, find_progress(stored, space, token_range)) for token_range in ranges)
        return [token_range for token_range, progress in begun if progress is not None and not progress.finished]
