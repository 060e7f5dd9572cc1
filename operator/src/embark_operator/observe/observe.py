"""Looks at a cache's children and asks its services; called by reconcile after it has applied them."""

from collections.abc import Mapping
from typing import Final

from embark.rollout.state import RolloutState
from embark.spec import EmbeddingCache
from embark_operator.cluster.kinds import POD, Child
from embark_operator.cluster.protocol import ClusterReader
from embark_operator.names import CACHE_LABEL, Manifest, embark_name, kfc_name, retina_name
from embark_operator.observe.observed import Observed, Readings
from embark_operator.observe.pods import PodSummary, max_lag, ready_addresses, summarize_schema, summarize_workload
from embark_operator.observe.rollout import see_rollout
from embark_operator.observe.services import Services, read_samples, sum_samples

_HITS: Final = "HIT"
_OOV: Final = ("OOV_ENQUEUED", "OOV_PENDING")


def observe(
    cache: EmbeddingCache,
    rollout: RolloutState,
    live: Mapping[Child, Manifest],
    cluster: ClusterReader,
    services: Services,
) -> Observed:
    """Return what is seen of the children `live`, and of their pods."""
    metadata = cache.metadata
    sight = PodSummary(cache, live, cluster.find(POD, metadata.namespace, f"{CACHE_LABEL}={metadata.name}"), services)
    space, embark = rollout.active.id, summarize_workload(sight, embark_name(cache))
    readings = _readings(sight, space)
    return Observed(
        schema=summarize_schema(sight, space),
        embark=embark,
        kfc=summarize_workload(sight, kfc_name(cache, space)),
        retina=summarize_workload(sight, retina_name(cache, space)),
        readings=readings,
        rollout=see_rollout(sight, rollout, embark, readings),
    )


def _readings(sight: PodSummary, space: str) -> Readings:
    answered = read_samples(sight.services.scrape(ready_addresses(sight, "embark")))
    consumed = read_samples(sight.services.scrape(ready_addresses(sight, "kfc", space)))
    keys = sum_samples(answered, "embark_keys_total", "status", method="Lookup")
    total = sum(keys.values())
    dead = sum_samples(consumed, "embark_kfc_fills_total", "outcome", outcome="dead-lettered")
    encodes = sum(sum_samples(consumed, "embark_kfc_encodes_total", "").values())
    seconds = sum(sum_samples(consumed, "embark_kfc_encode_seconds_sum", "").values())
    return Readings(
        hit_ratio=keys.get(_HITS, 0.0) / total if total else None,
        oov_ratio=sum(keys.get(status, 0.0) for status in _OOV) / total if total else None,
        entries=sight.services.entries(ready_addresses(sight, "embark")) if answered else None,
        lag=max_lag(consumed),
        dead_lettered=int(sum(dead.values())) if consumed else None,
        encode_seconds=seconds / encodes if encodes else None,
    )
