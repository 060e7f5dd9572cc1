"""Looks at a cache's children and asks its services; called by reconcile after it has applied them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from embark.space import space_of
from embark.spec import EmbeddingCache
from embark_operator.cluster import ClusterReader
from embark_operator.kinds import DEPLOYMENT, JOB, POD, Child
from embark_operator.names import CACHE, COMPONENT, Manifest, embark_name, kfc_name, retina_name
from embark_operator.observed import Observed, Part, Readings, Schema
from embark_operator.services import Services, sum_samples

GRPC_PORT: Final = 50051
_HITS: Final = "HIT"
_OOV: Final = ("OOV_ENQUEUED", "OOV_PENDING")


def observe(
    cache: EmbeddingCache, live: Mapping[Child, Manifest], cluster: ClusterReader, services: Services
) -> Observed:
    """Return what is seen of the children `live`, and of their pods."""
    space = space_of(cache.spec.encoder).id
    metadata = cache.metadata
    pods = cluster.find(POD, metadata.namespace, f"{CACHE}={metadata.name}")
    return Observed(
        schema=_schema(live, pods),
        embark=_part(live, pods, embark_name(cache), services),
        kfc=_part(live, pods, kfc_name(cache, space), services),
        retina=_part(live, pods, retina_name(cache, space), services),
        readings=_readings(cache, pods, services),
    )


def _schema(live: Mapping[Child, Manifest], pods: Sequence[Manifest]) -> Schema:
    jobs = [job for child, job in live.items() if child.kind == JOB]
    if not jobs:
        return Schema(done=False)
    if all(_condition(job, "Complete") for job in jobs):
        return Schema(done=True)
    names = {job["metadata"]["name"] for job in jobs}
    said = [_said(pod) for pod in pods if pod["metadata"].get("labels", {}).get("job-name") in names]
    return Schema(done=False, why=next(filter(None, said), ""))


def _part(live: Mapping[Child, Manifest], pods: Sequence[Manifest], name: str, services: Services) -> Part:
    deployment = live.get(Child(DEPLOYMENT, name))
    if deployment is None:
        return Part(wanted=1, ready=0, rolled=False)
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    rolled = seen and ready == updated == wanted == status.get("replicas", 0)
    why = "" if rolled else _why(deployment, pods, services)
    return Part(wanted, ready, rolled, why)


def _why(deployment: Manifest, pods: Sequence[Manifest], services: Services) -> str:
    """Return what keeps the first pod that is not ready, by name and in its own words where it has any."""
    selector = deployment["spec"]["selector"]["matchLabels"]
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if selector.items() <= pod["metadata"].get("labels", {}).items() and not _condition(pod, "Ready"):
            address = pod.get("status", {}).get("podIP", "")
            reason = _said(pod) or (services.readiness(address) if address else "")
            return f"{pod['metadata']['name']}: {reason or 'has not said why it is not ready'}"
    failed = _message(deployment, "ReplicaFailure")
    return f"no pod can be made: {failed}" if failed else ""


def _said(pod: Manifest) -> str:
    """Return what kubelet or scheduler say of a pod that does not run; empty: it runs."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        waiting = container.get("state", {}).get("waiting")
        if ended and (waiting or "terminated" in container["state"]) and ended.get("exitCode"):
            status = f"ended with status {ended['exitCode']} ({ended.get('reason', 'Error')})"
            return _error_in(str(ended.get("message") or "")) or status
        if waiting and waiting.get("message"):
            return f"{waiting['reason']}: {waiting['message']}"
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"not scheduled: {condition.get('message', '')}"
    return ""


def _error_in(log: str) -> str:
    """Return the error that ended a service, with the line after it where it goes on there; else the last line."""
    lines = log.strip().splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return " ".join(line.strip() for line in lines[errors[-1] :][:3]) if errors else "".join(lines[-1:])


def _readings(cache: EmbeddingCache, pods: Sequence[Manifest], services: Services) -> Readings:
    answered = services.scrape(_addresses(pods, "embark"))
    consumed = services.scrape(_addresses(pods, "kfc"))
    keys = sum_samples(answered, "embark_keys_total", "status", method="Lookup")
    total = sum(keys.values())
    lags = [lag for text in consumed for lag in sum_samples([text], "embark_kfc_lag", "").values()]
    dead = sum_samples(consumed, "embark_kfc_fills_total", "outcome", outcome="dead-lettered")
    target = f"{embark_name(cache)}.{cache.metadata.namespace}:{GRPC_PORT}"
    return Readings(
        hit_ratio=keys.get(_HITS, 0.0) / total if total else None,
        oov_ratio=sum(keys.get(status, 0.0) for status in _OOV) / total if total else None,
        entries=services.entries(target) if answered else None,
        # Every replica counts the lag of the whole group.
        lag=int(max(lags)) if lags else None,
        dead_lettered=int(sum(dead.values())) if consumed else None,
    )


def _addresses(pods: Sequence[Manifest], component: str) -> list[str]:
    return [
        pod["status"]["podIP"]
        for pod in pods
        if pod["metadata"].get("labels", {}).get(COMPONENT) == component and _condition(pod, "Ready")
    ]


def _condition(body: Manifest, kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in _conditions(body))


def _message(body: Manifest, kind: str) -> str:
    return next((c.get("message", "") for c in _conditions(body) if c["type"] == kind and c["status"] == "True"), "")


def _conditions(body: Manifest) -> Sequence[Mapping[str, Any]]:
    conditions: Sequence[Mapping[str, Any]] = body.get("status", {}).get("conditions", ())
    return conditions
