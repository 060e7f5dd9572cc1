"""Which cache a pass is over, and what it did: what reconcile returns to `passes`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple


class Key(NamedTuple):
    """Which cache."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`, as messages say it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What a pass did."""

    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    phase: str = ""
    failure: str = ""
    """What has to be tried again soon; empty: nothing."""
    again: timedelta | None = None
    """When a pass is due that no event may ask for: a rollout or a deletion is under way. None: at the next event."""
