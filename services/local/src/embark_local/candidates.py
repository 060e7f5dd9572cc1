"""Fills a candidate space and finds out whether look-ups may go over to it; the rollout of the local mode calls it."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Final

from embark.rollout.verdict import find_gate_failure
from embark.settings import KfcSettings
from embark.spec import Encoder
from embark.store.ranges import REEMBED_RANGES, split_ring
from embark_local.kept_spaces import Candidate, id_of
from embark_local.opened import Opened
from embark_local.progress import Progress
from embark_local.space_settings import candidate_settings
from embark_local.viewers import Viewer
from kfc.encoder import RetinaEncoder
from kfc.reembed.lookup_times import OwnLookupTimes
from kfc.reembed.reembedding import Reembedding
from kfc.verify.verification import verify

Timer = Callable[[], float]
# A KFC that is behind for longer is so for a reason that the gates judge, such as keys that it cannot encode.
_CATCH_UP: Final = timedelta(seconds=30)
_STEP_SECONDS: Final = 0.05


class CandidateFill:
    """The way of one candidate from an empty table to the gates; every step of it may be taken again."""

    def __init__(self, opened: Opened, source: Encoder, candidate: Candidate, viewer: Viewer) -> None:
        self._opened: Final = opened
        self._source: Final = id_of(source)
        self._candidate: Final = candidate
        self._space: Final = id_of(candidate.encoder)
        self._viewer: Final = viewer
        self.keys_per_second = 0.0
        """As measured by run(); 0: there was nothing to encode."""

    def run(self, timer: Timer = time.monotonic) -> str:
        """Fill the candidate; return why look-ups must not switch to it, empty: they may. Its KFC goes on then.

        Raises:
            StoppedError: the process stops; a later run goes on from the checkpoints.
            EmbArkError: the candidate's Retina does not start.
        """
        opened = self._opened
        settings = candidate_settings(opened.cache, self._candidate.encoder, self._source)
        opened.retry_until_up(lambda: opened.store.ensure_space(self._space))
        # Before the scan begins, so that each key is found by the scan or by this group, or by both.
        opened.retry_until_up(
            lambda: opened.topic.start_at_offsets(opened.group(self._space), opened.group(self._source))
        )
        filling = opened.fillings.start(settings)
        for service, address in filling.probes.items():
            self._viewer.say(f"{service} of space {self._space}: {address}/metrics")
        self._reembed(settings.kfc.model_copy(update={"retina": filling.retina}), timer)
        catch_up(opened, self._space, self._source, timer)
        verdict = verify(opened.store, self._source, settings.kfc.space, opened.outages.retry_until_up)
        fault = find_gate_failure(verdict, opened.cache.spec.rollout)
        if not fault:
            self._viewer.say(
                f"verified: {verdict.held:,} of {verdict.keys:,} keys looked at, {verdict.failed:,} failed"
            )
        return fault

    def _reembed(self, settings: KfcSettings, timer: Timer) -> None:
        opened, store = self._opened, self._opened.store
        total = opened.retry_until_up(lambda: store.count(self._source))
        begun = opened.retry_until_up(lambda: store.checkpoints().load(self._space))
        done, failed = sum(part.done for part in begun), sum(part.failed for part in begun)
        started, before = timer(), done + failed

        def on_progress(more_done: int, more_failed: int) -> None:
            nonlocal done, failed
            done, failed = done + more_done, failed + more_failed
            self.keys_per_second = (done + failed - before) / max(timer() - started, _STEP_SECONDS)
            self._viewer.show(Progress(done, failed, total, self.keys_per_second))

        self._viewer.show(Progress(done, failed, total))
        with closing(RetinaEncoder(settings.retina, settings.space, settings.encode_timeout)) as encoder:
            Reembedding(
                settings,
                store,
                encoder,
                outages=opened.outages,
                clock=opened.clock,
                keys_per_second=opened.cache.spec.rollout.max_keys_per_second,
                lookups=OwnLookupTimes(opened.lookup_times),
                slowdown=opened.cache.spec.rollout.max_lookup_slowdown,
                retry_failed=self._candidate.attempts > 0,
                timer=timer,
                on_progress=on_progress,
            ).run(split_ring(REEMBED_RANGES))


def catch_up(opened: Opened, candidate: str, source: str, timer: Timer = time.monotonic) -> bool:
    """Wait until the candidate's KFC is as far as the source's, so that what was asked meanwhile is in both spaces.

    Returns:
        Whether it is; False after half a minute in which it was not, for then it is behind for good.
    """
    until = timer() + _CATCH_UP.total_seconds()
    while _lag(opened, candidate) > _lag(opened, source):
        if timer() >= until:
            return False
        opened.outages.pause(_STEP_SECONDS)
    return True


def _lag(opened: Opened, space: str) -> int:
    return opened.retry_until_up(lambda: opened.topic.lag(opened.group(space)))
