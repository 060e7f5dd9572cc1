"""Kubernetes Events about a cache, as `kubectl describe` shows them."""

from datetime import UTC, datetime
from typing import Final

from embark.rollout.state import RolloutPhase
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.kinds import EVENT
from embark_operator.names import FIELD_MANAGER, Manifest
from embark_operator.status.conditions import DROP_FAILED, READY, Finding, Phase

_WARNINGS: Final = frozenset({Phase.INVALID, Phase.DEGRADED, RolloutPhase.HALTED, DROP_FAILED})
# The API server rejects longer messages.
_MAX_CHARACTERS: Final = 1024


def phase_event(cache: Manifest, status: EmbeddingCacheStatus, now: datetime) -> Manifest:
    """Return the Event about a cache's new phase, with the reason why it is not ready."""
    message = next((condition.message for condition in status.conditions if condition.type == READY), "")
    text = f"the cache is {status.phase}" + (f": {message}" if message else "")
    return _build_event(cache, status.phase, text, now)


def rollout_event(cache: Manifest, status: EmbeddingCacheStatus, now: datetime) -> Manifest:
    """Return the Event about a new phase of the rollout, with what it waits for or why it halted."""
    rollout = status.rollout
    text = rollout.message or f"the rollout is {rollout.phase}"
    return _build_event(cache, rollout.phase, text, now, "rollout")


def deletion_event(cache: Manifest, finding: Finding, now: datetime) -> Manifest:
    """Return the Event about dropping a cache's keyspace, with what it waits for."""
    return _build_event(cache, finding.reason, finding.message, now, "deletion")


def _build_event(cache: Manifest, reason: str, message: str, now: datetime, suffix: str = "") -> Manifest:
    metadata = cache["metadata"]
    timestamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # One Event per version of the cache: a retry does not report it twice.
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
        "type": "Warning" if reason in _WARNINGS else "Normal",
        "reason": reason,
        "message": message[:_MAX_CHARACTERS],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "count": 1,
    }
