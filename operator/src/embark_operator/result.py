"""The key of a cache, and the result of reconciling it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple


class Key(NamedTuple):
    """The namespace and name of a cache."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`, for messages."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What one reconcile did."""

    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    phase: str = ""
    failure: str = ""
    """Why the cache has to be reconciled again soon; empty if nothing failed."""
    requeue_after: timedelta | None = None
    """When to reconcile again during a rollout or a deletion; None to wait for the next event."""
