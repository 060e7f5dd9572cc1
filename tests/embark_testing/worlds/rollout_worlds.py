"""A cache, its operator and a modelled cluster, to which anything may happen in any order while a rollout goes on."""

from datetime import timedelta
from typing import Any, Final

from embark.names import APPROVED, RESUMED
from embark.rollout.advance import advance
from embark.rollout.state import RolloutPhase, RolloutState
from embark.space import Space
from embark.spec.rollout import Approval
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.manifests.build import build
from embark_operator.manifests.context import BuildContext
from embark_operator.names import Manifest
from embark_operator.observe.restore import restore
from embark_testing.worlds.child_manifests import OPTIONS, UID
from embark_testing.worlds.rollout_cluster import ModelCluster
from embark_testing.worlds.rollout_events import WORK, Event
from embark_testing.worlds.rollout_parts import BEGIN, encoder, space, wanting

# More passes than any step takes in which the status stays as it is.
_QUIET: Final = 4

# The same few specs and states, again and again.
_BUILT: Final[dict[tuple[object, ...], tuple[Manifest, ...]]] = {}
_P = RolloutPhase
_LEGAL: Final = {
    "": {_P.STEADY, _P.HOLDING, _P.ROLLING_BACK},
    "candidate": {_P.AWAITING_APPROVAL, _P.PREPARING, _P.REEMBEDDING, _P.VERIFYING, _P.HALTED},
    "previous": {_P.SWITCHING, _P.HOLDING},
    "dropped": {_P.HOLDING, _P.ROLLING_BACK},
}


class RolloutWorld:
    """Every method but `settle` is one event; the operator passes after each, and what must always hold is checked."""

    def __init__(self, **rollout: Any) -> None:
        self.cache = wanting("a", **({"keepPrevious": "1h"} | rollout))
        self.cluster = ModelCluster(space("a"), keys=3)
        self.now = BEGIN
        self.status = EmbeddingCacheStatus()
        self.answers = True
        self._applied: tuple[object, ...] | None = None
        self.phases: list[RolloutPhase] = []
        self.pass_over()

    @property
    def wanted(self) -> str:
        return Space.from_encoder(self.cache.spec.encoder).id

    @property
    def rollout(self) -> RolloutState:
        """What the operator knows when it has just started."""
        return restore(self.cache, self.status, self.cluster.children, self.now)

    def pass_over(self, upto: int | None = None) -> None:
        """Make a pass, or one that ends with its operator after `upto` children are applied."""
        rollout = self.rollout
        self._apply(rollout, upto)
        if upto is None:
            rollout = advance(rollout, self.cache, self.cluster.see(rollout, answers=self.answers), self.now)
            told = EmbeddingCacheStatus(spaces=rollout.spaces, rollout=rollout.status)
            self.status = EmbeddingCacheStatus.model_validate_json(told.model_dump_json(by_alias=True))
            assert RolloutState(rollout.active, self.status.spaces, self.status.rollout) == rollout
            if rollout.phase is RolloutPhase.SWITCHING:
                assert self.cluster.behind.get(rollout.active.id) == 0
            self.phases.append(rollout.phase)
        self.check()

    def check(self) -> None:
        """Assert what holds at any time, whatever happened before."""
        rollout, cluster = self.rollout, self.cluster
        spaces = rollout.spaces
        others = {name: getattr(spaces, name) for name in ("candidate", "previous", "dropped") if getattr(spaces, name)}
        assert len(others) <= 1
        assert rollout.active.id not in {other.id for other in others.values()}
        assert rollout.phase in _LEGAL["".join(others)]
        kept = {rollout.active.id} | ({spaces.previous.id} if spaces.previous else set())
        assert kept | cluster.served <= cluster.fit
        assert kept | cluster.served <= set(cluster.tables)
        assert len(cluster.tables) <= 2

    def edit(self, letter: str) -> None:
        self._respec(encoder=encoder(letter))

    def tune(self, redirects: int) -> None:
        """Edit the encoder in what is not its space."""
        encoder_ = self.cache.spec.encoder
        fetch = encoder_.fetch.model_copy(update={"max_redirects": redirects})
        self._respec(encoder=encoder_.model_copy(update={"fetch": fetch}))

    def gate(self, field: str, value: object) -> None:
        """Edit a field of spec.rollout."""
        self._respec(rollout=self.cache.spec.rollout.model_copy(update={field: value}))

    def approve(self, letter: str) -> None:
        self._annotate(APPROVED, space(letter))

    def resume(self) -> None:
        self._annotate(RESUMED, self.now.isoformat())

    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def hush(self, answers: bool) -> None:  # noqa: FBT001 - drawn
        self.answers = answers

    def breaks(self, letter: str) -> None:
        self.cluster.broken ^= {space(letter)}

    def spoil(self, letter: str) -> None:
        self.cluster.unreadable[space(letter)] = {1}

    def fail_scan(self) -> None:
        for _, run in self.cluster.jobs_of("reembed"):
            run.failed = not run.complete

    def lose_verdict(self) -> None:
        for _, run in self.cluster.jobs_of("verify"):
            run.verdict = None

    def fill(self, key: int) -> None:
        self.cluster.fill(key)

    def lose_status(self) -> None:
        self.status = EmbeddingCacheStatus()
        assert self.rollout.active.id == self.cluster.target.active

    def crash(self, applied: int) -> None:
        self.pass_over(applied)

    def work(self, what: str) -> None:
        """Let one part of the cluster do something."""
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
        parts[what]()

    def happen(self, event: Event) -> None:
        """Let an event happen, and the operator pass."""
        name, *arguments = event
        getattr(self, name)(*arguments)
        self.check()
        self.pass_over()

    def reach(self, phase: RolloutPhase) -> None:
        """Go on from rest until the rollout to space b is in a phase."""
        if phase is RolloutPhase.AWAITING_APPROVAL:
            self.gate("approval", Approval.MANUAL)
        if phase is RolloutPhase.HALTED:
            self.breaks("b")
        if phase is RolloutPhase.ROLLING_BACK:
            self.reach(RolloutPhase.REEMBEDDING)
        self.edit("a" if phase in (RolloutPhase.STEADY, RolloutPhase.ROLLING_BACK) else "b")
        for _ in range(20):
            if self.rollout.phase is phase:
                return
            self.proceed(1)
        raise AssertionError(f"{phase} is not reached: {self.status.rollout}")

    def settle(self, rounds: int = 80) -> None:
        """Let everything work, and somebody consent to whatever is asked, until nothing changes."""
        self.answers, self.cluster.broken, self.cluster.unreadable = True, set(), {}
        self.gate("paused", value=False)
        quiet = 0
        for _ in range(rounds):
            before = self.status
            self._annotate(APPROVED, self.wanted)
            if self.rollout.phase is RolloutPhase.HALTED:
                self.resume()
            self.proceed(1)
            quiet = quiet + 1 if self.status == before else 0
            if quiet == _QUIET:
                return
        raise AssertionError(f"no rest: {self.status.rollout}")

    def proceed(self, rounds: int, idle: frozenset[str] = frozenset()) -> None:
        """Let every part of the cluster that is not `idle` work, and the operator pass, so many times."""
        for _ in range(rounds):
            self.now += timedelta(seconds=2)
            for part in (part for part in WORK if part not in idle):
                self.work(part)
                self.check()
            self.pass_over()

    def _apply(self, rollout: RolloutState, upto: int | None) -> None:
        kinds = rollout.active, rollout.spaces.candidate, rollout.spaces.previous, rollout.spaces.dropped
        records = tuple(record and (record.id, record.encoder, record.source) for record in kinds)
        released = rollout.spaces.dropped is not None and rollout.spaces.dropped.released
        spec = self.cache.spec
        asked = spec.encoder, spec.rollout, records, rollout.phase, rollout.status.attempt, released
        if asked not in _BUILT:
            _BUILT[asked] = build(BuildContext(self.cache, UID, OPTIONS, rollout)).manifests
        if asked != self._applied:
            self.cluster.apply(_BUILT[asked], upto)
            self._applied = asked if upto is None else None

    def _respec(self, **fields: Any) -> None:
        metadata = self.cache.metadata.model_copy(update={"generation": self.cache.metadata.generation + 1})
        spec = self.cache.spec.model_copy(update=fields)
        self.cache = self.cache.model_copy(update={"spec": spec, "metadata": metadata})

    def _annotate(self, name: str, value: str) -> None:
        annotations = self.cache.metadata.annotations | {name: value}
        metadata = self.cache.metadata.model_copy(update={"annotations": annotations})
        self.cache = self.cache.model_copy(update={"metadata": metadata})
