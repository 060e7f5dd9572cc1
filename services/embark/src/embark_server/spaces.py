"""The spaces that this server answers from: the active one and, for look-ups that pin it, the previous one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from embark.clock import micros
from embark.settings import EmbArkSettings
from embark.space import Space, VectorForm
from embark_server.hot_tier import HotTier
from embark_server.oov import OovEmbedding, first_oov
from embark_server.refusals import UnknownSpaceError, WrongSpaceError
from embark_server.replies import ReplyForm

# Pinned look-ups are few and end with the rollout: of the hot tier's bytes the previous space gets this share.
_PREVIOUS_SHARE: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class ServedSpace:
    """One space with what look-ups of it need; `role` is active or previous."""

    space: Space
    id: str
    form: VectorForm
    role: str
    hot: HotTier
    oov: OovEmbedding
    reply: ReplyForm

    @property
    def filled(self) -> bool:
        """Whether misses are asked for: fills go to the active space alone."""
        return self.role == "active"


class ServedSpaces:
    """Finds the space of a request."""

    def __init__(self, settings: EmbArkSettings) -> None:
        budget = settings.serving.hot_tier.max_bytes
        kept = budget // _PREVIOUS_SHARE if settings.previous else 0
        self.active = _serve(settings, settings.active, "active", budget - kept)
        self.previous = _serve(settings, settings.previous, "previous", kept) if settings.previous else None
        self._by_pin = {served.id: served for served in self} | {"": self.active}

    def __iter__(self) -> Iterator[ServedSpace]:
        yield self.active
        if self.previous:
            yield self.previous

    def replace(self, settings: EmbArkSettings) -> None:
        """Find those of other settings from now on; a request that has picked its space keeps it."""
        # One update of a dict is one step for every other thread: none sees the parts of two sets of spaces.
        vars(self).update(vars(ServedSpaces(settings)))

    def pick(self, pin: str) -> ServedSpace:
        """Return the space that a request pins; empty: the active one.

        Raises:
            UnknownSpaceError: it is not served; the message names those that are.
        """
        served = self._by_pin.get(pin)
        if served is None:
            names = ", ".join(f"{served.id} ({served.role})" for served in self)
            raise UnknownSpaceError(f"space {pin[:64]!r} is not served here; these are: {names}")
        return served

    def pick_written(self, space: str) -> ServedSpace:
        """Return the active space for a write that names it.

        Raises:
            WrongSpaceError: another space is named, or none.
        """
        if space != self.active.id:
            said = f"vectors of space {space[:64]!r} are refused" if space else "the request names no space"
            raise WrongSpaceError(f"{said}; the active space is {self.active.id}")
        return self.active


def _serve(settings: EmbArkSettings, space: Space, role: str, hot_bytes: int) -> ServedSpace:
    space_id = space.id
    return ServedSpace(
        space=space,
        id=space_id,
        form=space.form,
        role=role,
        hot=HotTier(hot_bytes, micros(settings.serving.hot_tier.ttl)),
        oov=OovEmbedding(first_oov(settings, space)),
        reply=ReplyForm(space_id, space.form),
    )
