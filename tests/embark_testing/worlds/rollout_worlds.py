"""A cache, what carries out its rollout, and modelled spaces, to which anything may happen in any order."""

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any, Final

from embark.names import APPROVED, RESUMED
from embark.rollout.state import RolloutPhase, RolloutState
from embark.space import Space
from embark.spec.rollout import Approval
from embark.spec.status import EmbeddingCacheStatus
from embark_testing.worlds.rollout_events import WORK, Event
from embark_testing.worlds.rollout_parts import BEGIN, encoder, space, wanting
from embark_testing.worlds.rollout_spaces import ModelSpaces

_P = RolloutPhase
_LEGAL: Final = {
    "": {_P.STEADY, _P.HOLDING, _P.ROLLING_BACK},
    "candidate": {_P.AWAITING_APPROVAL, _P.PREPARING, _P.REEMBEDDING, _P.VERIFYING, _P.HALTED},
    "previous": {_P.SWITCHING, _P.HOLDING},
    "dropped": {_P.HOLDING, _P.ROLLING_BACK},
}


class RolloutWorld(ABC):
    """Every method but `settle` is an event; each is followed by a pass, and by checks of what must always hold."""

    model: ModelSpaces
    quiet_passes = 4
    """More passes than any step takes without a change of the status."""

    def __init__(self, **rollout: Any) -> None:
        self.cache = wanting("a", **({"keepPrevious": "1h"} | rollout))
        self.now = BEGIN
        self.status = EmbeddingCacheStatus()
        self.answers = True
        self.phases: list[RolloutPhase] = []

    @property
    def wanted(self) -> str:
        return Space.from_encoder(self.cache.spec.encoder).id

    @property
    @abstractmethod
    def rollout(self) -> RolloutState:
        """What a process knows of the rollout when it has just started."""

    @abstractmethod
    def make_pass(self) -> None:
        """Carry out the rollout's state, and advance it by at most one step."""

    @abstractmethod
    def crash(self, point: int) -> None:
        """Kill what carries out the rollout at one of the points of its pass, and start it again."""

    @abstractmethod
    def work(self, part: str) -> None:
        """Let one part of the system make progress."""

    @abstractmethod
    def fail_scan(self) -> None: ...

    @abstractmethod
    def lose_verdict(self) -> None: ...

    @abstractmethod
    def fill(self, key: int) -> None: ...

    @abstractmethod
    def lose_status(self) -> None: ...

    @abstractmethod
    def assert_idle(self) -> None:
        """Assert that no work is left."""

    @abstractmethod
    def describe_end(self) -> object:
        """Return what two worlds that end alike have in common."""

    def write(self, rollout: RolloutState) -> None:
        """Write a state to the status, as JSON that is read again."""
        status = EmbeddingCacheStatus(spaces=rollout.spaces, rollout=rollout.status)
        self.status = EmbeddingCacheStatus.model_validate_json(status.model_dump_json(by_alias=True))
        assert RolloutState(rollout.active, self.status.spaces, self.status.rollout) == rollout
        if rollout.phase is RolloutPhase.SWITCHING:
            assert self.model.behind.get(rollout.active.id) == 0
        self.phases.append(rollout.phase)

    def check(self) -> None:
        """Assert what holds at any time, whatever happened before."""
        rollout, model = self.rollout, self.model
        spaces = rollout.spaces
        others = {name: getattr(spaces, name) for name in ("candidate", "previous", "dropped") if getattr(spaces, name)}
        assert len(others) <= 1
        assert rollout.active.id not in {other.id for other in others.values()}
        assert rollout.phase in _LEGAL["".join(others)]
        kept = {rollout.active.id} | ({spaces.previous.id} if spaces.previous else set())
        assert kept | model.served <= model.fit
        assert kept | model.served <= set(model.tables)
        assert len(model.tables) <= 2

    def edit(self, letter: str) -> None:
        self._respec(encoder=encoder(letter))

    def tune(self, redirects: int) -> None:
        """Edit the encoder without changing its space."""
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
        self.model.broken ^= {space(letter)}

    def spoil(self, letter: str) -> None:
        self.model.unreadable[space(letter)] = {1}

    def happen(self, event: Event) -> None:
        """Let an event happen, then make a pass."""
        name, *arguments = event
        getattr(self, name)(*arguments)
        self.check()
        self.make_pass()

    def reach(self, phase: RolloutPhase) -> None:
        """Begin at rest and continue until the rollout to space b is in a phase."""
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
        """Let everything work, and approve and resume whatever waits for it, until nothing changes."""
        self.answers, self.model.broken, self.model.unreadable = True, set(), {}
        self.gate("paused", value=False)
        quiet = 0
        for _ in range(rounds):
            before = self.status
            self._annotate(APPROVED, self.wanted)
            if self.rollout.phase is RolloutPhase.HALTED:
                self.resume()
            self.proceed(1)
            quiet = quiet + 1 if self.status == before else 0
            if quiet == self.quiet_passes:
                return
        raise AssertionError(f"no rest: {self.status.rollout}")

    def proceed(self, rounds: int, idle: frozenset[str] = frozenset()) -> None:
        """Let every part that is not `idle` work, then make a pass; repeat `rounds` times."""
        for _ in range(rounds):
            self.now += timedelta(seconds=2)
            for part in (part for part in WORK if part not in idle):
                self.work(part)
                self.check()
            self.make_pass()

    def _respec(self, **fields: Any) -> None:
        metadata = self.cache.metadata.model_copy(update={"generation": self.cache.metadata.generation + 1})
        spec = self.cache.spec.model_copy(update=fields)
        self.cache = self.cache.model_copy(update={"spec": spec, "metadata": metadata})

    def _annotate(self, name: str, value: str) -> None:
        annotations = self.cache.metadata.annotations | {name: value}
        metadata = self.cache.metadata.model_copy(update={"annotations": annotations})
        self.cache = self.cache.model_copy(update={"metadata": metadata})
