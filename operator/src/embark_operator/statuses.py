"""The status of a cache, from what was observed and what it said before; pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from embark.settings import Listen
from embark.space import space_of
from embark.spec import EmbeddingCache
from embark.spec.status import ActiveSpace, CacheStatus, EmbeddingCacheStatus, Spaces, TopicStatus
from embark_operator.conditions import Finding, date_conditions, phase_of
from embark_operator.names import embark_name, selector_labels
from embark_operator.observed import Observed, Readings

_EMBARK: Final = "embark"


def report(
    cache: EmbeddingCache, findings: Sequence[Finding], observed: Observed | None, now: datetime
) -> EmbeddingCacheStatus:
    """Return the status after a pass over an accepted cache; equal to `cache.status` when nothing has changed."""
    before, generation = cache.status, cache.metadata.generation
    readings = observed.readings if observed else Readings()
    space = space_of(cache.spec.encoder).id
    kept = before.spaces.active
    since = kept.since if kept and kept.id == space else now
    selector = selector_labels(cache, _EMBARK)
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": str(phase_of(findings, observed, paused=cache.spec.paused)),
            "model": cache.spec.encoder.model.name,
            "conditions": date_conditions(findings, before.conditions, generation, now),
            "endpoint": f"{embark_name(cache)}.{cache.metadata.namespace}:{Listen().grpc_port}",
            "replicas": observed.embark.ready if observed else before.replicas,
            "selector": ",".join(f"{name}={value}" for name, value in selector.items()),
            "spaces": Spaces(active=ActiveSpace(id=space, since=since)),
            "cache": _cache(before.cache, readings),
            "topic": _topic(before.topic, readings),
        }
    )


def report_refused(
    before: EmbeddingCacheStatus, findings: Sequence[Finding], generation: int, now: datetime
) -> EmbeddingCacheStatus:
    """Return the status of a cache whose spec cannot be carried out; the rest stays as it was."""
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": str(phase_of(findings, None, paused=False)),
            "conditions": date_conditions(findings, before.conditions, generation, now),
        }
    )


def dump(status: EmbeddingCacheStatus) -> dict[str, Any]:
    """Return a status as the API takes it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _cache(before: CacheStatus, readings: Readings) -> CacheStatus:
    return before.model_copy(
        update={
            "hit_ratio": before.hit_ratio if readings.hit_ratio is None else f"{readings.hit_ratio:.4f}",
            "hit_percent": before.hit_percent if readings.hit_ratio is None else f"{readings.hit_ratio:.1%}"[:-1],
            "oov_ratio": before.oov_ratio if readings.oov_ratio is None else f"{readings.oov_ratio:.4f}",
            "entries": before.entries if readings.entries is None else readings.entries,
        }
    )


def _topic(before: TopicStatus, readings: Readings) -> TopicStatus:
    return before.model_copy(
        update={
            "lag": before.lag if readings.lag is None else readings.lag,
            "dead_lettered": before.dead_lettered if readings.dead_lettered is None else readings.dead_lettered,
        }
    )
