"""What the live objects of a cache say: its Deployments, Jobs and pods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from embark.spec import EmbeddingCache
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import DEPLOYMENT, JOB, Child
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest
from embark_operator.observe.observed import SchemaStatus, WorkloadStatus
from embark_operator.observe.services import Samples, Services, sum_samples

# Exit codes of a program that exits by itself; higher ones mean that it was killed.
_ERROR_CODES: Final = range(1, 126)
# A ValidationError names the field and the problem on three lines.
_SHOWN_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class CacheView:
    """The live objects of one cache, and the services of its pods."""

    cache: EmbeddingCache
    live: Mapping[Child, Manifest]
    pods: Sequence[Manifest]
    services: Services

    def find_jobs(self, component: str, space: str) -> list[Manifest]:
        """Return the Jobs of a component that work on a space."""
        labels = {COMPONENT_LABEL: component, SPACE_LABEL: space}
        return [job for child, job in self.live.items() if child.kind == JOB and labels.items() <= _labels(job).items()]

    def find_pods(self, component: str, space: str = "") -> list[Manifest]:
        """Return a component's pods, also terminating ones; with `space`, only those that fill it."""
        labels = {COMPONENT_LABEL: component} | ({SPACE_LABEL: space} if space else {})
        return [pod for pod in self.pods if labels.items() <= _labels(pod).items()]

    def ready_addresses(self, component: str, space: str = "") -> list[str]:
        """Return the addresses of a component's ready pods; with `space`, only of those that fill it."""
        return [pod["status"]["podIP"] for pod in self.find_pods(component, space) if is_true(pod, "Ready")]


def observe_schema(view: CacheView, space: str) -> SchemaStatus:
    """Return the status of the Job that creates the tables and topics of a space."""
    jobs = view.find_jobs("schema", space)
    if not jobs:
        return SchemaStatus(done=False)
    if all(is_true(job, "Complete") for job in jobs):
        return SchemaStatus(done=True)
    failure = first_failure(view.pods, jobs)
    return SchemaStatus(done=False, why=failure.error, server=failure.server)


def observe_workload(view: CacheView, name: str) -> WorkloadStatus:
    """Return the status of a Deployment and its pods."""
    deployment = view.live.get(Child(DEPLOYMENT, name))
    if deployment is None:
        return WorkloadStatus(wanted=1, ready=0, rolled=False)
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    rolled = is_current and ready == updated == wanted == status.get("replicas", 0)
    if rolled:
        return WorkloadStatus(wanted, ready, rolled)
    pod = _find_unready_pod(deployment, view.pods)
    if pod is None:
        failure = condition_message(deployment, "ReplicaFailure")
        return WorkloadStatus(wanted, ready, rolled, f"cannot create pods: {failure}" if failure else "")
    return WorkloadStatus(wanted, ready, rolled, _explain_unready(pod, view.services), _has_failed(pod))


def first_failure(pods: Sequence[Manifest], jobs: Sequence[Manifest]) -> TerminationMessage:
    """Return why the first pod of these Jobs that does not run failed; without an error if all run."""
    names = {job["metadata"]["name"] for job in jobs}
    failures = (_failure(pod) for pod in pods if _labels(pod).get("job-name") in names)
    return next((failure for failure in failures if failure), TerminationMessage())


def max_lag(pods: Sequence[Samples]) -> int | None:
    """Return the lag of a space's KFC, from its metrics: every replica exports the lag of the whole group."""
    lags = [lag for samples in pods for lag in sum_samples([samples], "embark_kfc_lag", "").values()]
    return int(max(lags)) if lags else None


def is_true(body: Manifest, kind: str) -> bool:
    """Return whether a condition of an object is True."""
    return any(c["type"] == kind and c["status"] == "True" for c in _conditions(body))


def condition_message(body: Manifest, kind: str) -> str:
    """Return the message of a condition of an object that is True; empty if there is none."""
    return next((c.get("message", "") for c in _conditions(body) if c["type"] == kind and c["status"] == "True"), "")


def _find_unready_pod(deployment: Manifest, pods: Sequence[Manifest]) -> Manifest | None:
    selector = deployment["spec"]["selector"]["matchLabels"]
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if selector.items() <= _labels(pod).items() and not is_true(pod, "Ready"):
            return pod
    return None


def _explain_unready(pod: Manifest, services: Services) -> str:
    """Return why a pod is not ready, after its name: as reported by the kubelet, its `/readyz`, or its last exit."""
    address = pod.get("status", {}).get("podIP", "")
    failure = _failure(pod)
    reason = failure.error if failure else (services.readiness(address) if address else "") or _last_error(pod)
    return f"{pod['metadata']['name']}: {reason or 'is not ready and reports no reason'}"


def _failure(pod: Manifest) -> TerminationMessage | None:
    """Return why a pod does not run, as reported by its process, the kubelet or the scheduler; None if it runs."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        terminated = _terminated(container)
        waiting = container.get("state", {}).get("waiting")
        if terminated and (waiting or "terminated" in container["state"]) and terminated.get("exitCode"):
            return _read_termination(terminated)
        if waiting and waiting.get("message"):
            return TerminationMessage(error=f"{waiting['reason']}: {waiting['message']}")
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return TerminationMessage(error=f"not scheduled: {condition.get('message', '')}")
    return None


def _has_failed(pod: Manifest) -> bool:
    """Return whether a container has exited with an error, and was restarted."""
    return any(
        container.get("restartCount", 0) > 0 and (_terminated(container) or {}).get("exitCode") in _ERROR_CODES
        for container in pod.get("status", {}).get("containerStatuses", ())
    )


def _last_error(pod: Manifest) -> str:
    """Return the error of a container that was restarted since; empty if there is none."""
    exits = [_terminated(container) for container in pod.get("status", {}).get("containerStatuses", ())]
    return next((_read_termination(found).error for found in exits if found and found.get("exitCode")), "")


def _read_termination(terminated: Mapping[str, Any]) -> TerminationMessage:
    """Return how a container failed: as reported by its process or, after a crash, the last line of its log."""
    text = str(terminated.get("message") or "").strip()
    message = TerminationMessage.parse(text)
    if message is None:
        message = TerminationMessage(error="".join(text.splitlines()[-1:]))
    error = " ".join(line.strip() for line in message.error.splitlines()[:_SHOWN_LINES])
    status = f"exited with status {terminated['exitCode']} ({terminated.get('reason', 'Error')})"
    return message.model_copy(update={"error": error or status})


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    now, before = container.get("state", {}), container.get("lastState", {})
    terminated: Mapping[str, Any] | None = now.get("terminated") or before.get("terminated")
    return terminated


def _labels(body: Manifest) -> Mapping[str, str]:
    labels: Mapping[str, str] = body["metadata"].get("labels", {})
    return labels


def _conditions(body: Manifest) -> Sequence[Mapping[str, Any]]:
    conditions: Sequence[Mapping[str, Any]] = body.get("status", {}).get("conditions", ())
    return conditions
