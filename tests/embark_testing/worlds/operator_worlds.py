"""A rollout that an operator carries out in a modelled cluster."""

from typing import Any, Final

from embark.rollout.advance import advance
from embark.rollout.state import RolloutState
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.manifests.build import build
from embark_operator.manifests.context import BuildContext
from embark_operator.names import Manifest
from embark_operator.observe.restore import restore
from embark_testing.worlds.child_manifests import OPTIONS, UID
from embark_testing.worlds.rollout_cluster import ModelCluster
from embark_testing.worlds.rollout_parts import space
from embark_testing.worlds.rollout_worlds import RolloutWorld

# Few specs and states recur.
_BUILT: Final[dict[tuple[object, ...], tuple[Manifest, ...]]] = {}


class OperatorWorld(RolloutWorld):
    """Each pass begins with what an operator knows that has just started."""

    def __init__(self, **rollout: Any) -> None:
        super().__init__(**rollout)
        self.model = self.cluster = ModelCluster(space("a"), keys=3)
        self._applied: tuple[object, ...] | None = None
        self.make_pass()

    @property
    def rollout(self) -> RolloutState:
        return restore(self.cache, self.status, self.cluster.children, self.now)

    def make_pass(self) -> None:
        rollout = self.rollout
        self._apply(rollout, None)
        self.write(advance(rollout, self.cache, self.cluster.see(rollout, answers=self.answers), self.now))
        self.check()

    def crash(self, point: int) -> None:
        """Kill the operator after it has applied that many children."""
        self._apply(self.rollout, point)
        self.check()

    def fail_scan(self) -> None:
        for _, run in self.cluster.find_jobs("reembed"):
            run.failed = not run.complete

    def lose_verdict(self) -> None:
        for _, run in self.cluster.find_jobs("verify"):
            run.verdict = None

    def fill(self, key: int) -> None:
        self.cluster.fill(key)

    def lose_status(self) -> None:
        self.status = EmbeddingCacheStatus()
        assert self.rollout.active.id == self.cluster.target.active

    def work(self, part: str) -> None:
        cluster = self.cluster
        parts = {
            "start": cluster.start_pods,
            "end": cluster.end_pods,
            "roll": cluster.roll_embark,
            "scan": cluster.scan,
            "verify": lambda: cluster.verify(self.cache.spec.rollout),
            "catch up": cluster.catch_up,
            "drop": cluster.drop,
        }
        parts[part]()

    def assert_idle(self) -> None:
        assert not [job for component in ("reembed", "verify", "drop") for job in self.cluster.find_jobs(component)]

    def describe_end(self) -> object:
        return set(self.cluster.children)

    def _apply(self, rollout: RolloutState, upto: int | None) -> None:
        kinds = rollout.active, rollout.spaces.candidate, rollout.spaces.previous, rollout.spaces.dropped
        records = tuple(record and (record.id, record.encoder, record.source) for record in kinds)
        released = rollout.spaces.dropped is not None and rollout.spaces.dropped.released
        spec = self.cache.spec
        wanted = spec.encoder, spec.rollout, records, rollout.phase, rollout.status.attempt, released
        if wanted not in _BUILT:
            _BUILT[wanted] = build(BuildContext(self.cache, UID, OPTIONS, rollout)).manifests
        if wanted != self._applied:
            self.cluster.apply(_BUILT[wanted], upto)
            self._applied = wanted if upto is None else None
