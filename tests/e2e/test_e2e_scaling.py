"""Replicas follow what there is to do: EmbArk's by its CPU, KFC's by the lag that an adapter of metrics reports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embark_testing.e2e.adapters import lag_adapter, remove_lag_adapter, serves_external_metrics
from embark_testing.e2e.caches import Cache, load_on
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import photos_cache
from embark_testing.e2e.rollouts import patch

pytestmark = pytest.mark.e2e
CHANNELS = 4
LAG = 40
OPERATOR = ("embark-operator", "embark-operator-handover")
PRIORITY_CLASS = "e2e-serving"
PRIORITY = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": PRIORITY_CLASS},
    "value": 1000,
    "preemptionPolicy": "Never",
}
SCHEDULING: dict[str, Any] = {
    "priorityClassName": PRIORITY_CLASS,
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "example.com/serving", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
            }
        }
    },
}
EMBARK = {
    "autoscaling": {"min": 1, "max": 2, "targetCPU": 70, "scaleDownAfter": "0s"},
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    "scheduling": SCHEDULING,
}
# Without a Retina, fill requests stay in the topic until there is one.
KFC = {
    "autoscaling": {"min": 1, "max": 3, "lagThreshold": 10, "scaleDownAfter": "0s"},
    # Enough that CPU usage does not request a second replica.
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
}


@pytest.fixture(scope="module")
def cache(cluster: Kubernetes, namespace: str) -> Iterator[Cache]:
    """A cache without a Retina whose other parts are autoscaled."""
    if serves_external_metrics(cluster):
        pytest.skip("this cluster has an adapter of its own")
    cluster.apply(namespace, PRIORITY, photos_cache("scaled", embark=EMBARK, kfc=KFC, retina={"replicas": 0}))
    made = Cache(cluster, namespace, "scaled")
    made.await_ready()
    yield made
    cluster.kubectl("delete", "priorityclass", PRIORITY_CLASS)


def test_pods_come_where_the_spec_says(cache: Cache) -> None:
    pod = cache.pods("embark")[0]
    assert pod["spec"]["priority"] == PRIORITY["value"]
    assert pod["spec"]["nodeSelector"] == SCHEDULING["nodeSelector"]
    assert pod["spec"]["affinity"] == SCHEDULING["affinity"]
    assert SCHEDULING["tolerations"][0] in pod["spec"]["tolerations"]


def test_load_raises_the_replicas_of_embark_they_come_down_again_and_the_operator_writes_none(cache: Cache) -> None:
    # The CPU time of a start may look like load.
    _await(cache, "deployment/scaled-embark", "{.status.replicas}=1", 120)
    before = _operator_writes(_deployment(cache, "embark"))
    with load_on(cache, CHANNELS) as load:
        _await(cache, "deployment/scaled-embark", "{.status.readyReplicas}=2", 180)
        report = load.end()
    _await(cache, "deployment/scaled-embark", "{.status.replicas}=1", 180)
    assert (report["failed"], report["answered"] > 0) == (0, True), report
    deployment = _deployment(cache, "embark")
    assert _operator_writes(deployment) == before
    assert not _writers_of_replicas(deployment) & set(OPERATOR)


def test_kfc_follows_the_lag_while_an_adapter_reports_it_and_its_cpu_when_none_does(
    cache: Cache, tmp_path: Path
) -> None:
    kfc = _deployment_name(cache, "kfc")
    assert _scaler(cache) == ("cpu", "ContainerResource")
    with lag_adapter(cache.cluster, cache.namespace, tmp_path / "authority"):
        _await(cache, "embc/scaled", "{.status.kfcScaler}=external", 150)
        assert _scaler(cache) == ("external", "External")
        _await(cache, kfc, "{.spec.replicas}=1", 90)
        photos = [f"http://samples/photos/coffee.jpg?lag={number}" for number in range(LAG)]
        assert set(cache.lookup(*photos).values()) == {"OOV_ENQUEUED"}
        _await(cache, kfc, "{.spec.replicas}=3", 90)
        patch(cache, retina={"replicas": 1})
        _await(cache, _deployment_name(cache, "retina"), "{.status.readyReplicas}=1", 120)
        assert set(cache.lookup(*photos, wait="60s").values()) == {"HIT"}
        _await(cache, kfc, "{.spec.replicas}=1", 120)
        remove_lag_adapter(cache.cluster, cache.namespace)
        _await(cache, "embc/scaled", "{.status.kfcScaler}=cpu", 150)
        assert _scaler(cache) == ("cpu", "ContainerResource")


def _await(cache: Cache, what: str, condition: str, seconds: int) -> None:
    cache.cluster.kubectl("wait", f"-n={cache.namespace}", what, f"--for=jsonpath={condition}", f"--timeout={seconds}s")


def _deployment(cache: Cache, component: str) -> dict[str, Any]:
    selector = f"-l=embark.dev/cache={cache.name},app.kubernetes.io/component={component}"
    (found,) = cache.cluster.get(cache.namespace, "deployments", selector, "--show-managed-fields")["items"]
    return dict(found)


def _deployment_name(cache: Cache, component: str) -> str:
    return f"deployment/{_deployment(cache, component)['metadata']['name']}"


def _scaler(cache: Cache) -> tuple[str, str]:
    """Return KFC's scaler as the status reports it, and its metric."""
    name = _deployment(cache, "kfc")["metadata"]["name"]
    (metric,) = cache.cluster.get(cache.namespace, "hpa", name)["spec"]["metrics"]
    return cache.body()["status"]["kfcScaler"], metric["type"]


def _operator_writes(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the operator has written of a Deployment, and when."""
    return [entry for entry in deployment["metadata"]["managedFields"] if entry["manager"] in OPERATOR]


def _writers_of_replicas(deployment: dict[str, Any]) -> set[str]:
    entries = deployment["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})}
