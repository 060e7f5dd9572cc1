"""The status of a cache: parsed, built from what was observed and from the previous status, and published."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from embark.rollout.state import RolloutState
from embark.settings import Listen
from embark.spec import EmbeddingCache
from embark.spec.status import CacheStatus, EmbeddingCacheStatus, TopicStatus
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, Cluster, ConflictError
from embark_operator.names import Manifest, embark_name, selector_labels
from embark_operator.observe.observed import Observed, Readings
from embark_operator.status.conditions import Finding, Phase, choose_phase, date_conditions

_MIN_CHANGE: Final = 0.2


def report(
    cache: EmbeddingCache,
    rollout: RolloutState,
    findings: Sequence[Finding],
    observed: Observed | None,
    now: datetime,
    *,
    kfc_scaler: str,
) -> EmbeddingCacheStatus:
    """Return the status of an accepted cache; equal to `cache.status` if nothing has changed."""
    before, generation = cache.status, cache.metadata.generation
    readings = observed.readings if observed else Readings()
    selector = selector_labels(cache, "embark")
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": choose_phase(findings, observed, rollout.phase, paused=cache.spec.paused),
            "model": rollout.active.encoder.model.name,
            "conditions": date_conditions(findings, before.conditions, generation, now),
            "endpoint": f"{embark_name(cache)}.{cache.metadata.namespace}:{Listen().grpc_port}",
            "replicas": observed.embark.ready if observed else before.replicas,
            "kfc_scaler": str(kfc_scaler),
            "selector": ",".join(f"{name}={value}" for name, value in selector.items()),
            "spaces": rollout.spaces,
            "rollout": rollout.status,
            "cache": _cache(before.cache, readings),
            "topic": _topic(before.topic, readings),
        }
    )


def report_refused(
    before: EmbeddingCacheStatus, findings: Sequence[Finding], generation: int, now: datetime
) -> EmbeddingCacheStatus:
    """Return the status of a cache whose spec is not accepted; the rest stays unchanged."""
    return _with_findings(before, Phase.INVALID, findings, generation, now)


def report_deleting(
    before: EmbeddingCacheStatus, findings: Sequence[Finding], generation: int, now: datetime
) -> EmbeddingCacheStatus:
    """Return the status of a cache that is being deleted; the rest stays unchanged."""
    return _with_findings(before, Phase.DELETING, findings, generation, now)


def parse_status(body: Manifest) -> EmbeddingCacheStatus:
    """Return the status of a cache; that of a new cache if it has none, or an invalid one."""
    try:
        return EmbeddingCacheStatus.model_validate_json(json.dumps(body.get("status", {})), by_alias=True)
    except ValidationError:
        return EmbeddingCacheStatus()  # not written by the operator; the next status replaces it


def dump_status(status: EmbeddingCacheStatus) -> dict[str, Any]:
    """Return a status as the API expects it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def publish_status(
    cluster: Cluster,
    body: Manifest,
    before: EmbeddingCacheStatus,
    status: EmbeddingCacheStatus,
    events: Iterable[Manifest],
) -> None:
    """Write the status of the cache `body`, and then the Events; nothing if the status has not changed.

    Raises:
        ConflictError: the cache was changed since it was read.
        UnavailableError: the API server does not answer.
    """
    if status == before and "status" in body:
        return
    cluster.write_status(body, dump_status(status))
    for event in events:
        try:
            cluster.create(event)
        except ConflictError:
            continue  # it was created before
        except ApiRefusedError as error:
            if error.reason != NAMESPACE_TERMINATING:
                raise


def _with_findings(
    before: EmbeddingCacheStatus, phase: Phase, findings: Sequence[Finding], generation: int, now: datetime
) -> EmbeddingCacheStatus:
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": str(phase),
            "conditions": date_conditions(findings, before.conditions, generation, now),
        }
    )


def _cache(before: CacheStatus, readings: Readings) -> CacheStatus:
    return before.model_copy(
        update={
            "hit_ratio": before.hit_ratio if readings.hit_ratio is None else f"{readings.hit_ratio:.4f}",
            "hit_percent": before.hit_percent if readings.hit_ratio is None else f"{readings.hit_ratio:.1%}"[:-1],
            "oov_ratio": before.oov_ratio if readings.oov_ratio is None else f"{readings.oov_ratio:.4f}",
            "encode_seconds": _seconds(before.encode_seconds, readings.encode_seconds),
            "entries": before.entries if readings.entries is None else readings.entries,
        }
    )


def _seconds(before: str, measured: float | None) -> str:
    """Return the mean time of an encode; ignore changes below a fifth, which would cost a write per reconcile."""
    if measured is None or (before and abs(measured - float(before)) < _MIN_CHANGE * float(before)):
        return before
    return f"{measured:.4f}"


def _topic(before: TopicStatus, readings: Readings) -> TopicStatus:
    return before.model_copy(
        update={
            "lag": before.lag if readings.lag is None else readings.lag,
            "dead_lettered": before.dead_lettered if readings.dead_lettered is None else readings.dead_lettered,
        }
    )
