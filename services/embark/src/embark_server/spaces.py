"""The spaces that this server serves: the active one and, for lookups that pin it, the previous one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from embark.clock import micros
from embark.settings import EmbArkSettings
from embark.space import Space, VectorForm
from embark_server.answers import ReplyEncoder
from embark_server.hot_tier import LruHotTier
from embark_server.oov import OovEmbedding, initial_oov
from embark_server.refusals import UnknownSpaceError, WrongSpaceError

# Pinned lookups are few and end with the rollout, so the previous space gets only this fraction of the hot tier.
_PREVIOUS_DIVISOR: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class ServedSpace:
    """One space with all that its lookups need; `role` is active or previous."""

    space: Space
    id: str
    form: VectorForm
    nbytes: int
    """The size of one vector."""
    role: str
    hot: LruHotTier
    oov: OovEmbedding
    reply: ReplyEncoder

    @property
    def filled(self) -> bool:
        """Whether misses request fills: only the active space is filled."""
        return self.role == "active"


class ServedSpaces:
    """Finds the space of a request."""

    def __init__(self, settings: EmbArkSettings) -> None:
        budget = settings.serving.hot_tier.max_bytes
        previous_bytes = budget // _PREVIOUS_DIVISOR if settings.previous else 0
        self.active = _serve(settings, settings.active, "active", budget - previous_bytes)
        self.previous = _serve(settings, settings.previous, "previous", previous_bytes) if settings.previous else None
        self._by_pin = {served.id: served for served in self} | {"": self.active}

    def __iter__(self) -> Iterator[ServedSpace]:
        yield self.active
        if self.previous:
            yield self.previous

    def replace(self, settings: EmbArkSettings) -> None:
        """Serve the spaces of `settings` instead; a request that has picked its space keeps it."""
        # Updating a dict is atomic for other threads: none of them sees a mix of the two sets of spaces.
        vars(self).update(vars(ServedSpaces(settings)))

    def pick(self, pin: str) -> ServedSpace:
        """Return the space that a request pins; empty for the active one.

        Raises:
            UnknownSpaceError: it is not served; the message names the served ones.
        """
        served = self._by_pin.get(pin)
        if served is None:
            names = ", ".join(f"{served.id} ({served.role})" for served in self)
            raise UnknownSpaceError(f"space {pin[:64]!r} is not served here; the served spaces are: {names}")
        return served

    def pick_written(self, space: str) -> ServedSpace:
        """Return the active space for a write that names it.

        Raises:
            WrongSpaceError: another space is named, or none.
        """
        if space != self.active.id:
            problem = f"vectors of space {space[:64]!r} are refused" if space else "the request names no space"
            raise WrongSpaceError(f"{problem}; the active space is {self.active.id}")
        return self.active


def _serve(settings: EmbArkSettings, space: Space, role: str, hot_bytes: int) -> ServedSpace:
    space_id, form = space.id, space.form
    return ServedSpace(
        space=space,
        id=space_id,
        form=form,
        nbytes=form.nbytes,
        role=role,
        hot=LruHotTier(hot_bytes, micros(settings.serving.hot_tier.ttl)),
        oov=OovEmbedding(initial_oov(settings, space)),
        reply=ReplyEncoder(space_id, form),
    )
