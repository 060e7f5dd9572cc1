"""Looks at what a rollout has under way: the candidate's children, its Jobs and their verdict; called by observe."""

from dataclasses import replace

from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import ObservedJob, ObservedRollout
from embark.rollout.verdict import Verdict
from embark.termination import TerminationMessage
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest, kfc_name, retina_name
from embark_operator.observe.observed import Readings, WorkloadStatus
from embark_operator.observe.pods import (
    PodSummary,
    condition_message,
    find_jobs,
    find_pods,
    first_failure,
    is_true,
    max_lag,
    ready_addresses,
    summarize_schema,
    summarize_workload,
)
from embark_operator.observe.services import read_samples


def see_rollout(
    sight: PodSummary, rollout: RolloutState, embark: WorkloadStatus, readings: Readings
) -> ObservedRollout:
    """Return what the next step of the rollout depends on; what it does not depend on is not asked."""
    spaces, phase = rollout.spaces, rollout.phase
    seen = ObservedRollout(
        entries=readings.entries,
        encode_seconds=readings.encode_seconds,
        # A pod that ends still answers, and from the space that it was told to.
        embark_rolled=embark.rolled and sum(map(_runs, find_pods(sight, "embark"))) == embark.wanted,
    )
    if spaces.candidate and phase in (RolloutPhase.PREPARING, RolloutPhase.HALTED):
        return _with_readiness(seen, sight, spaces.candidate.id)
    if spaces.candidate and phase is RolloutPhase.REEMBEDDING:
        progress = sight.services.progress(ready_addresses(sight, "embark"), spaces.candidate.id)
        return replace(seen, progress=progress, scan=_see_job(sight, "reembed", spaces.candidate.id))
    if spaces.candidate and phase is RolloutPhase.VERIFYING:
        return _with_verdict(seen, sight, spaces.candidate.id, readings.lag)
    if spaces.dropped:
        left = [pod for pod in sight.pods if _works_on(pod, spaces.dropped.id)]
        return replace(seen, dropped_idle=not left, drop=_see_job(sight, "drop", spaces.dropped.id))
    return seen


def _with_readiness(seen: ObservedRollout, sight: PodSummary, space: str) -> ObservedRollout:
    schema = summarize_schema(sight, space)
    retina = summarize_workload(sight, retina_name(sight.cache, space))
    kfc = summarize_workload(sight, kfc_name(sight.cache, space))
    ready = schema.done and retina.rolled and kfc.rolled
    failed = [part.why for part in (retina, kfc) if part.failed]
    waits = "" if schema.done else schema.why or "the tables are being made"
    why = next(filter(None, (*failed, waits, retina.why, kfc.why)), "its pods are starting")
    return replace(seen, candidate_ready=ready, candidate_reason="" if ready else why, candidate_failed=bool(failed))


def _with_verdict(seen: ObservedRollout, sight: PodSummary, space: str, lag: int | None) -> ObservedRollout:
    behind = max_lag(read_samples(sight.services.scrape(ready_addresses(sight, "kfc", space))))
    verification = _see_job(sight, "verify", space)
    return replace(
        seen,
        verification=verification,
        verdict=_verdict(sight, space) if verification.complete else None,
        behind=None if behind is None or lag is None else max(0, behind - lag),
    )


def _verdict(sight: PodSummary, space: str) -> Verdict | None:
    names = {job["metadata"]["name"] for job in find_jobs(sight, "verify", space)}
    for pod in find_pods(sight, "verify", space):
        if pod["metadata"]["labels"].get("job-name") in names and pod["status"].get("phase") == "Succeeded":
            for container in pod["status"].get("containerStatuses", ()):
                message = TerminationMessage.parse(container["state"]["terminated"].get("message", ""))
                if message and message.verdict:
                    return message.verdict
    return None


def _see_job(sight: PodSummary, component: str, space: str) -> ObservedJob:
    jobs = find_jobs(sight, component, space)
    if not jobs:
        return ObservedJob()
    complete = all(is_true(job, "Complete") for job in jobs)
    failed = any(is_true(job, "Failed") for job in jobs)
    ended = next(filter(None, (condition_message(job, "Failed") for job in jobs)), "")
    return ObservedJob(complete, failed, "" if complete else first_failure(sight.pods, jobs).error or ended)


def _works_on(pod: Manifest, space: str) -> bool:
    labels = pod["metadata"].get("labels", {})
    return labels.get(SPACE_LABEL) == space and labels.get(COMPONENT_LABEL) != "drop" and _runs(pod)


def _runs(pod: Manifest) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
