"""Kubernetes Events about a cache, as `kubectl describe` shows them; pure."""

from datetime import UTC, datetime
from typing import Final

from embark.rollout.state import RolloutPhase
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.kinds import EVENT
from embark_operator.names import FIELD_MANAGER, Manifest
from embark_operator.status.conditions import DROP_FAILED, READY, Finding, Phase

_TROUBLED: Final = frozenset({Phase.INVALID, Phase.DEGRADED, RolloutPhase.HALTED, DROP_FAILED})
# As long as the API takes.
_MOST_CHARACTERS: Final = 1024


def phase_event(cache: Manifest, status: EmbeddingCacheStatus, now: datetime) -> Manifest:
    """Return the Event that tells a cache's new phase, and why it is not ready."""
    message = next((condition.message for condition in status.conditions if condition.type == READY), "")
    said = f"the cache is {status.phase}" + (f": {message}" if message else "")
    return _event(cache, status.phase, said, now)


def rollout_event(cache: Manifest, status: EmbeddingCacheStatus, now: datetime) -> Manifest:
    """Return the Event that tells a new phase of the rollout, and what it waits for or why it stopped."""
    rollout = status.rollout
    said = rollout.message or f"the rollout is {rollout.phase}"
    return _event(cache, rollout.phase, said, now, "rollout")


def deletion_event(cache: Manifest, finding: Finding, now: datetime) -> Manifest:
    """Return the Event that tells how far the end of a cache's keyspace is, and what it waits for."""
    return _event(cache, finding.reason, finding.message, now, "deletion")


def _event(cache: Manifest, reason: str, said: str, now: datetime, suffix: str = "") -> Manifest:
    metadata = cache["metadata"]
    stamp = now.astimezone(UTC)
    # One Event a version of the cache: an attempt that is made again does not tell it twice.
    name = ".".join(filter(None, (metadata["name"], metadata["resourceVersion"], suffix)))
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": cache["apiVersion"],
            "kind": cache["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning" if reason in _TROUBLED else "Normal",
        "reason": reason,
        "message": said[:_MOST_CHARACTERS],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTimestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": 1,
    }
