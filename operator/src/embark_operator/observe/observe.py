"""Observes a cache: the state of its children, what its services report, and the progress of its rollout."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import ObservedJob, ObservedRollout
from embark.rollout.verdict import Verdict
from embark.spec import EmbeddingCache
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import POD, Child
from embark_operator.cluster.protocol import ClusterReader
from embark_operator.names import (
    CACHE_LABEL,
    COMPONENT_LABEL,
    SPACE_LABEL,
    Manifest,
    embark_name,
    kfc_name,
    retina_name,
)
from embark_operator.observe.observed import Observed, Readings, WorkloadStatus
from embark_operator.observe.pods import (
    CacheView,
    condition_message,
    first_failure,
    is_true,
    max_lag,
    observe_schema,
    observe_workload,
)
from embark_operator.observe.services import Services, read_samples, sum_samples

_HIT: Final = "HIT"
_OOV: Final = ("OOV_ENQUEUED", "OOV_PENDING")


def observe(
    cache: EmbeddingCache,
    rollout: RolloutState,
    live: Mapping[Child, Manifest],
    cluster: ClusterReader,
    services: Services,
) -> Observed:
    """Return what is observed of the children `live`, of their pods and of their services."""
    metadata = cache.metadata
    pods = cluster.find(POD, metadata.namespace, f"{CACHE_LABEL}={metadata.name}")
    view = CacheView(cache, live, pods, services)
    space, embark = rollout.active.id, observe_workload(view, embark_name(cache))
    readings = _read_services(view, space)
    return Observed(
        schema=observe_schema(view, space),
        embark=embark,
        kfc=observe_workload(view, kfc_name(cache, space)),
        retina=observe_workload(view, retina_name(cache, space)),
        readings=readings,
        rollout=observe_rollout(view, rollout, embark, readings),
    )


def observe_rollout(
    view: CacheView, rollout: RolloutState, embark: WorkloadStatus, readings: Readings
) -> ObservedRollout:
    """Return what the next step of the rollout depends on; nothing else is read."""
    spaces, phase = rollout.spaces, rollout.phase
    observed = ObservedRollout(
        entries=readings.entries,
        encode_seconds=readings.encode_seconds,
        # A terminating pod still answers, and from the space that it was started with.
        embark_rolled=embark.rolled and sum(map(_is_running, view.find_pods("embark"))) == embark.wanted,
    )
    if spaces.candidate and phase in (RolloutPhase.PREPARING, RolloutPhase.HALTED):
        return _with_readiness(observed, view, spaces.candidate.id)
    if spaces.candidate and phase is RolloutPhase.REEMBEDDING:
        progress = view.services.progress(view.ready_addresses("embark"), spaces.candidate.id)
        return replace(observed, progress=progress, scan=_observe_job(view, "reembed", spaces.candidate.id))
    if spaces.candidate and phase is RolloutPhase.VERIFYING:
        return _with_verdict(observed, view, spaces.candidate.id, readings.lag)
    if spaces.dropped:
        users = [pod for pod in view.pods if _uses(pod, spaces.dropped.id)]
        return replace(observed, dropped_idle=not users, drop=_observe_job(view, "drop", spaces.dropped.id))
    return observed


def _read_services(view: CacheView, space: str) -> Readings:
    embark = read_samples(view.services.scrape(view.ready_addresses("embark")))
    kfc = read_samples(view.services.scrape(view.ready_addresses("kfc", space)))
    keys = sum_samples(embark, "embark_keys_total", "status", method="Lookup")
    total = sum(keys.values())
    dead_lettered = sum_samples(kfc, "embark_kfc_fills_total", "outcome", outcome="dead-lettered")
    encodes = sum(sum_samples(kfc, "embark_kfc_encodes_total", "").values())
    seconds = sum(sum_samples(kfc, "embark_kfc_encode_seconds_sum", "").values())
    return Readings(
        hit_ratio=keys.get(_HIT, 0.0) / total if total else None,
        oov_ratio=sum(keys.get(status, 0.0) for status in _OOV) / total if total else None,
        entries=view.services.entries(view.ready_addresses("embark")) if embark else None,
        lag=max_lag(kfc),
        dead_lettered=int(sum(dead_lettered.values())) if kfc else None,
        encode_seconds=seconds / encodes if encodes else None,
    )


def _with_readiness(observed: ObservedRollout, view: CacheView, space: str) -> ObservedRollout:
    schema = observe_schema(view, space)
    retina = observe_workload(view, retina_name(view.cache, space))
    kfc = observe_workload(view, kfc_name(view.cache, space))
    ready = schema.done and retina.rolled and kfc.rolled
    failures = [workload.why for workload in (retina, kfc) if workload.failed]
    pending = "" if schema.done else schema.why or "its tables are being created"
    reason = next(filter(None, (*failures, pending, retina.why, kfc.why)), "its pods are starting")
    return replace(
        observed,
        candidate_ready=ready,
        candidate_reason="" if ready else reason,
        candidate_failed=bool(failures),
    )


def _with_verdict(observed: ObservedRollout, view: CacheView, space: str, lag: int | None) -> ObservedRollout:
    candidate_lag = max_lag(read_samples(view.services.scrape(view.ready_addresses("kfc", space))))
    verification = _observe_job(view, "verify", space)
    return replace(
        observed,
        verification=verification,
        verdict=_read_verdict(view, space) if verification.complete else None,
        behind=None if candidate_lag is None or lag is None else max(0, candidate_lag - lag),
    )


def _read_verdict(view: CacheView, space: str) -> Verdict | None:
    names = {job["metadata"]["name"] for job in view.find_jobs("verify", space)}
    for pod in view.find_pods("verify", space):
        if pod["metadata"]["labels"].get("job-name") in names and pod["status"].get("phase") == "Succeeded":
            for container in pod["status"].get("containerStatuses", ()):
                message = TerminationMessage.parse(container["state"]["terminated"].get("message", ""))
                if message and message.verdict:
                    return message.verdict
    return None


def _observe_job(view: CacheView, component: str, space: str) -> ObservedJob:
    jobs = view.find_jobs(component, space)
    if not jobs:
        return ObservedJob()
    complete = all(is_true(job, "Complete") for job in jobs)
    failed = any(is_true(job, "Failed") for job in jobs)
    message = next(filter(None, (condition_message(job, "Failed") for job in jobs)), "")
    return ObservedJob(complete, failed, "" if complete else first_failure(view.pods, jobs).error or message)


def _uses(pod: Manifest, space: str) -> bool:
    labels = pod["metadata"].get("labels", {})
    return labels.get(SPACE_LABEL) == space and labels.get(COMPONENT_LABEL) != "drop" and _is_running(pod)


def _is_running(pod: Manifest) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
