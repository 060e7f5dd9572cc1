"""How single children and pods are looked at; `observe` and `see_rollout` put together what they have seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from embark.spec import EmbeddingCache
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import DEPLOYMENT, JOB, Child
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest
from embark_operator.observe.observed import SchemaStatus, WorkloadStatus
from embark_operator.observe.services import Samples, Services, sum_samples

# Of a program that has ended by itself; higher ones say that somebody killed it.
_OWN_ERRORS: Final = range(1, 126)
# A ValidationError names the field and the problem on three lines.
_SHOWN_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class PodSummary:
    """What a pass looks at: the children, the pods of the cache, and who can be asked."""

    cache: EmbeddingCache
    live: Mapping[Child, Manifest]
    pods: Sequence[Manifest]
    services: Services


def summarize_schema(sight: PodSummary, space: str) -> SchemaStatus:
    """Return what is seen of the Job that makes the tables and topics of a space."""
    jobs = find_jobs(sight, "schema", space)
    if not jobs:
        return SchemaStatus(done=False)
    if all(is_true(job, "Complete") for job in jobs):
        return SchemaStatus(done=True)
    failure = first_failure(sight.pods, jobs)
    return SchemaStatus(done=False, why=failure.error, server=failure.server)


def find_jobs(sight: PodSummary, component: str, space: str) -> list[Manifest]:
    """Return the Jobs of a component that work on a space."""
    wanted = {COMPONENT_LABEL: component, SPACE_LABEL: space}
    return [
        job
        for child, job in sight.live.items()
        if child.kind == JOB and wanted.items() <= job["metadata"].get("labels", {}).items()
    ]


def first_failure(pods: Sequence[Manifest], jobs: Sequence[Manifest]) -> TerminationMessage:
    """Return why the first pod of these Jobs that does not run does not; without an error: all run."""
    names = {job["metadata"]["name"] for job in jobs}
    failures = (pod_failure(pod) for pod in pods if pod["metadata"].get("labels", {}).get("job-name") in names)
    return next((failure for failure in failures if failure), TerminationMessage())


def summarize_workload(sight: PodSummary, name: str) -> WorkloadStatus:
    """Return what is seen of a Deployment and its pods."""
    deployment = sight.live.get(Child(DEPLOYMENT, name))
    if deployment is None:
        return WorkloadStatus(wanted=1, ready=0, rolled=False)
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    rolled = seen and ready == updated == wanted == status.get("replicas", 0)
    if rolled:
        return WorkloadStatus(wanted, ready, rolled)
    pod = _unready_pod(deployment, sight.pods)
    if pod is None:
        failed = condition_message(deployment, "ReplicaFailure")
        return WorkloadStatus(wanted, ready, rolled, f"no pod can be made: {failed}" if failed else "")
    return WorkloadStatus(wanted, ready, rolled, _why(pod, sight.services), _has_failed(pod))


def _unready_pod(deployment: Manifest, pods: Sequence[Manifest]) -> Manifest | None:
    selector = deployment["spec"]["selector"]["matchLabels"]
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if selector.items() <= pod["metadata"].get("labels", {}).items() and not is_true(pod, "Ready"):
            return pod
    return None


def _why(pod: Manifest, services: Services) -> str:
    """Return what keeps a pod that is not ready, by name and in its own words where it has any."""
    address = pod.get("status", {}).get("podIP", "")
    failure = pod_failure(pod)
    reason = failure.error if failure else (services.readiness(address) if address else "") or _last_error(pod)
    return f"{pod['metadata']['name']}: {reason or 'has not said why it is not ready'}"


def _has_failed(pod: Manifest) -> bool:
    """Return whether a container has ended with an error of its own, and again after it was started anew."""
    return any(
        container.get("restartCount", 0) > 0 and (_ended(container) or {}).get("exitCode") in _OWN_ERRORS
        for container in pod.get("status", {}).get("containerStatuses", ())
    )


def _last_error(pod: Manifest) -> str:
    """Return how a container that runs again has ended before; empty: none has."""
    ended = [_ended(container) for container in pod.get("status", {}).get("containerStatuses", ())]
    return next((_read_termination(found).error for found in ended if found and found.get("exitCode")), "")


def _read_termination(ended: Mapping[str, Any]) -> TerminationMessage:
    """Return how a container has failed: as its process reports it or, after a crash, by the last line of its log."""
    text = str(ended.get("message") or "").strip()
    message = TerminationMessage.parse(text)
    if message is None:
        message = TerminationMessage(error="".join(text.splitlines()[-1:]))
    error = " ".join(line.strip() for line in message.error.splitlines()[:_SHOWN_LINES])
    status = f"ended with status {ended['exitCode']} ({ended.get('reason', 'Error')})"
    return message.model_copy(update={"error": error or status})


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    ended: Mapping[str, Any] | None = container.get("state", {}).get("terminated") or container.get(
        "lastState", {}
    ).get("terminated")
    return ended


def pod_failure(pod: Manifest) -> TerminationMessage | None:
    """Return why a pod does not run, by its process, the kubelet or the scheduler; None: it runs."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        ended = _ended(container)
        waiting = container.get("state", {}).get("waiting")
        if ended and (waiting or "terminated" in container["state"]) and ended.get("exitCode"):
            return _read_termination(ended)
        if waiting and waiting.get("message"):
            return TerminationMessage(error=f"{waiting['reason']}: {waiting['message']}")
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return TerminationMessage(error=f"not scheduled: {condition.get('message', '')}")
    return None


def ready_addresses(sight: PodSummary, component: str, space: str = "") -> list[str]:
    """Return the addresses of a component's ready pods; `space`: of those that fill it alone."""
    return [pod["status"]["podIP"] for pod in find_pods(sight, component, space) if is_true(pod, "Ready")]


def find_pods(sight: PodSummary, component: str, space: str = "") -> list[Manifest]:
    """Return a component's pods, also those that end; `space`: of those that fill it alone."""
    wanted = {COMPONENT_LABEL: component} | ({SPACE_LABEL: space} if space else {})
    return [pod for pod in sight.pods if wanted.items() <= pod["metadata"].get("labels", {}).items()]


def max_lag(consumed: Sequence[Samples]) -> int | None:
    """Return the lag that the metrics of a space's KFC tell; every replica counts that of the whole group."""
    lags = [lag for told in consumed for lag in sum_samples([told], "embark_kfc_lag", "").values()]
    return int(max(lags)) if lags else None


def is_true(body: Manifest, kind: str) -> bool:
    """Return whether a condition of an object is True."""
    return any(c["type"] == kind and c["status"] == "True" for c in _conditions(body))


def condition_message(body: Manifest, kind: str) -> str:
    """Return the message of a condition of an object that is True; empty: there is none."""
    return next((c.get("message", "") for c in _conditions(body) if c["type"] == kind and c["status"] == "True"), "")


def _conditions(body: Manifest) -> Sequence[Mapping[str, Any]]:
    conditions: Sequence[Mapping[str, Any]] = body.get("status", {}).get("conditions", ())
    return conditions
