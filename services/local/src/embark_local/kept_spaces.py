"""Which spaces a data folder holds and what each is: the state of re-embedding in the local mode, pure."""

from datetime import datetime, timedelta
from typing import Self

from embark.errors import InvalidSpecError
from embark.space import Space
from embark.spec import Encoder
from embark.spec.model import Model


class Candidate(Model):
    """The space that is filled."""

    encoder: Encoder
    approved: bool = False
    attempts: int = 0
    """How often a gate was not passed."""


class Previous(Model):
    """The space that is kept for rollback."""

    encoder: Encoder
    kept_until: datetime


class KeptSpaces(Model):
    """What `rollout.json` holds; every change of it is a new value, written before anything is done."""

    active: Encoder
    candidate: Candidate | None = None
    previous: Previous | None = None
    dropped: tuple[str, ...] = ()
    """Ids of spaces whose rows, checkpoints and consumer group are to go, or partly gone."""
    keys_per_second: float = 0
    """The rate of the last re-embedding; 0: none was measured."""

    def settle(self, wanted: Encoder, now: datetime) -> Self:
        """Return what follows from the manifest's encoder: nothing new, a candidate, or a rollback.

        Raises:
            InvalidSpecError: the modality is another one, so the keys are no keys of the wanted space.
        """
        if wanted.modality is not self.active.modality:
            told = f"it is {self.active.modality} here and cannot change; give another --data, or --fresh"
            raise InvalidSpecError("spec.encoder.modality", told)
        kept, space = self.expire(now), id_of(wanted)
        if space == id_of(kept.active):
            return kept.with_candidate(None).model_copy(update={"active": wanted})
        if kept.previous is not None and space == id_of(kept.previous.encoder):
            dropped = (*kept.with_candidate(None).dropped, id_of(kept.active))
            changes = {"active": wanted, "candidate": None, "previous": None, "dropped": dropped}
            return kept.model_copy(update=changes)
        if kept.candidate is not None and space == id_of(kept.candidate.encoder):
            candidate = kept.candidate.model_copy(update={"encoder": wanted})
            return kept.model_copy(update={"candidate": candidate})
        return kept.with_candidate(Candidate(encoder=wanted))

    def with_candidate(self, candidate: Candidate | None) -> Self:
        """Return it with another candidate, or none; the one that there was is dropped."""
        dropped = self.dropped if self.candidate is None else (*self.dropped, id_of(self.candidate.encoder))
        return self.model_copy(update={"candidate": candidate, "dropped": dropped})

    def approve(self) -> Self:
        """Return it with the candidate approved, if there is one."""
        return self._change_candidate(approved=True)

    def fail_gate(self) -> Self:
        """Return it after the candidate did not pass a gate."""
        return self._change_candidate(attempts=self.candidate.attempts + 1) if self.candidate else self

    def switch(self, now: datetime, keep: timedelta) -> Self:
        """Return it with the candidate as the active space, and the active one kept as previous; an older one goes."""
        if self.candidate is None:
            return self
        dropped = self.dropped if self.previous is None else (*self.dropped, id_of(self.previous.encoder))
        previous = Previous(encoder=self.active, kept_until=now + keep)
        changes = {"active": self.candidate.encoder, "candidate": None, "previous": previous, "dropped": dropped}
        return self.model_copy(update=changes)

    def expire(self, now: datetime) -> Self:
        """Return it without a previous space whose time is over."""
        if self.previous is None or now < self.previous.kept_until:
            return self
        dropped = (*self.dropped, id_of(self.previous.encoder))
        return self.model_copy(update={"previous": None, "dropped": dropped})

    def forget_dropped(self, space: str) -> Self:
        """Return it after everything of a dropped space is gone."""
        return self.model_copy(update={"dropped": tuple(other for other in self.dropped if other != space)})

    def measure(self, keys_per_second: float) -> Self:
        """Return it with the rate of a re-embedding."""
        return self.model_copy(update={"keys_per_second": keys_per_second})

    def _change_candidate(self, **changes: object) -> Self:
        if self.candidate is None:
            return self
        return self.model_copy(update={"candidate": self.candidate.model_copy(update=changes)})


def id_of(encoder: Encoder) -> str:
    """Return the id of the space that an encoder writes."""
    return Space.from_encoder(encoder).id
