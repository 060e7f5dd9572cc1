"""Kubernetes Events about a cache, as `kubectl describe` shows them; pure."""

from datetime import UTC, datetime
from typing import Final

from embark.spec.status import EmbeddingCacheStatus
from embark_operator.conditions import READY, Phase
from embark_operator.kinds import EVENT
from embark_operator.names import FIELD_MANAGER, Manifest

_CALM: Final = frozenset({Phase.PAUSED, Phase.PENDING, Phase.ROLLING, Phase.READY})
# As long as the API takes.
_MOST_CHARACTERS: Final = 1024


def phase_event(cache: Manifest, status: EmbeddingCacheStatus, now: datetime) -> Manifest:
    """Return the Event that tells a cache's new phase, and why it is not ready."""
    metadata = cache["metadata"]
    stamp = now.astimezone(UTC)
    message = next((condition.message for condition in status.conditions if condition.type == READY), "")
    said = f"the cache is {status.phase}" + (f": {message}" if message else "")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        # One Event a version of the cache: an attempt that is made again does not tell it twice.
        "metadata": {
            "name": f"{metadata['name']}.{metadata['resourceVersion']}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": cache["apiVersion"],
            "kind": cache["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Normal" if status.phase in _CALM else "Warning",
        "reason": status.phase,
        "message": said[:_MOST_CHARACTERS],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTimestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": 1,
    }
