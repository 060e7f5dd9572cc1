"""Caches, encoders and states of a rollout, for tests of its steps."""

from datetime import UTC, datetime
from functools import cache as once
from typing import Any, Final

from embark.rollout.state import RolloutPhase, RolloutState, initial_rollout
from embark.rollout.verdict import Verdict
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder
from embark.spec.rollout import Rollout as RolloutSpec
from embark.spec.status import CandidateSpace, PreviousSpace
from embark_testing.caches import sample

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
GENERATION: Final = 7
PASSED: Final = Verdict(keys=100, held=100, failed=0, sampled=100)


@once
def encoder(letter: str) -> Encoder:
    """Return an encoder of its own space for each of a to f."""
    first = sample("photos").spec.encoder
    return first.model_copy(
        update={"model": first.model.model_copy(update={"digest": f"sha256:{letter * 64}"})},
    )


@once
def space(letter: str) -> str:
    """Return the id of an encoder's space."""
    return Space.from_encoder(encoder(letter)).id


@once
def _sample() -> EmbeddingCache:
    return sample("photos")


def wanting(letter: str, annotations: dict[str, str] | None = None, **rollout: Any) -> EmbeddingCache:
    """Return a cache whose spec wants a space; `rollout` are fields of spec.rollout as a manifest says them."""
    cache = _sample()
    changed = {"encoder": encoder(letter), "rollout": RolloutSpec.model_validate(rollout)}
    metadata = {"generation": GENERATION, "annotations": annotations or {}}
    return cache.model_copy(
        update={
            "spec": cache.spec.model_copy(update=changed),
            "metadata": cache.metadata.model_copy(update=metadata),
        }
    )


def steady(letter: str = "a") -> RolloutState:
    """Return a cache's state before any rollout."""
    return initial_rollout(encoder(letter), BEGIN)


def filling(phase: RolloutPhase, **status: Any) -> RolloutState:
    """Return a rollout from space a to its candidate b."""
    candidate = CandidateSpace(id=space("b"), encoder=encoder("b"), source=space("a"))
    begun: dict[str, Any] = {"total": 100, "started_at": BEGIN} | status
    return steady().with_spaces(candidate=candidate).with_phase(phase, BEGIN, **begun)


def halted(within: RolloutPhase, **status: Any) -> RolloutState:
    """Return a rollout from a to b that has halted."""
    return filling(RolloutPhase.HALTED, halted_in=str(within), halted_generation=GENERATION, **status)


def switched(phase: RolloutPhase, kept_until: datetime | None = None) -> RolloutState:
    """Return a rollout from a to b whose gate has passed."""
    previous = PreviousSpace(id=space("a"), encoder=encoder("a"), kept_until=kept_until)
    active = steady("b").active.model_copy(update={"source": space("a")})
    return steady("b").with_spaces(active=active, previous=previous).with_phase(phase, BEGIN, started_at=BEGIN)


def leaving(letter: str, phase: RolloutPhase, active: str = "a", *, released: bool = False) -> RolloutState:
    """Return a rollout that drops a space."""
    left = CandidateSpace(id=space(letter), encoder=encoder(letter), source=space(active))
    rollout = steady(active).with_dropped(left, phase, BEGIN, "")
    if rollout.spaces.dropped is None:
        raise RuntimeError("nothing is dropped")
    return rollout.with_spaces(dropped=rollout.spaces.dropped.model_copy(update={"released": released}))
