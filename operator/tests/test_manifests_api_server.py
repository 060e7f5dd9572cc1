"""A real API server accepts the children and stores them as written."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from kubernetes import config

from embark_operator.cluster.differences import differs
from embark_operator.cluster.kinds import find_kind
from embark_operator.cluster.kubernetes import KubernetesCluster
from embark_operator.cluster.protocol import ApiRefusedError
from embark_operator.names import Manifest
from embark_testing.caches import cache_in
from embark_testing.cluster.api_server import ApiServer
from embark_testing.worlds.child_manifests import (
    CHANGES,
    SCHEDULED,
    build_children,
    build_every_child,
    build_rollout_children,
    container,
    find_component,
    select_kind,
    templates,
)
from embark_testing.worlds.stored_quantities import STORED

pytestmark = pytest.mark.cluster

_RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
_numbers = count()


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[KubernetesCluster]:
    path = str(api_server.kubeconfig)
    with (
        config.new_client_from_config(config_file=path) as client,  # type: ignore[no-untyped-call]
        closing(KubernetesCluster(client)) as connected,
    ):
        yield connected


@pytest.fixture(scope="module")
def classes(api_server: ApiServer) -> None:
    """The classes that SCHEDULED names: pods with missing classes are rejected."""
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "nvidia"}
    for made, name in ((priority, "priorityClassName"), (runtime, "runtimeClassName")):
        body = made | {"metadata": {"name": SCHEDULED[name]}}
        api_server.kubectl("apply", "-f=-", stdin=json.dumps(body))


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A new namespace, which rejects pods beyond the restricted profile."""
    name = f"manifests-{next(_numbers)}"
    api_server.kubectl("create", "namespace", name)
    api_server.kubectl("label", "namespace", name, _RESTRICTED)
    return name


def read(cluster: KubernetesCluster, manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    found = cluster.read(find_kind(manifest), metadata["namespace"], metadata["name"])
    assert found is not None
    return found


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("sample", ["photos", "titles"])
def test_children_are_stored_as_written(
    cluster: KubernetesCluster, namespace: str, sample: str, change: dict[str, Any]
) -> None:
    wanted = build_every_child(cache_in(namespace, sample, **change))
    for manifest in wanted:
        cluster.apply(manifest)
    for manifest in wanted:
        live = read(cluster, manifest)
        assert not differs(manifest, live), manifest["kind"]
        again = cluster.apply(manifest)
        assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"], manifest["kind"]


@pytest.mark.usefixtures("classes")
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_namespace_with_the_restricted_profile_admits_every_pod(
    cluster: KubernetesCluster, namespace: str, change: dict[str, Any]
) -> None:
    wanted = build_every_child(cache_in(namespace, **change))
    for manifest in select_kind(wanted, "ServiceAccount"):
        cluster.apply(manifest)
    for component, template in templates(wanted).items():
        metadata = template["metadata"] | {"name": component, "namespace": namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        assert cluster.create(pod)["metadata"]["uid"]


@pytest.mark.parametrize(
    ("affinity", "at_fault"),
    [({"nodeAffinities": {}}, "nodeAffinities"), ({"podAffinity": [1]}, "podAffinity")],
    ids=str,
)
def test_an_invalid_affinity_is_rejected_by_field(
    cluster: KubernetesCluster, namespace: str, affinity: dict[str, Any], at_fault: str
) -> None:
    wanted = build_children(cache_in(namespace, embark={"scheduling": {"affinity": affinity}}))
    with pytest.raises(ApiRefusedError, match=at_fault):
        cluster.apply(find_component(wanted, "Deployment", "embark"))


def test_applying_the_job_again_pauses_and_resumes_a_rollout(cluster: KubernetesCluster, namespace: str) -> None:
    cache = cache_in(namespace)
    running, paused = (
        find_component(build_rollout_children(cache, suspended=suspended), "Job", "reembed")
        for suspended in (False, True)
    )
    live = cluster.apply(running)
    assert differs(paused, live)
    for wanted in (paused, running):
        again = cluster.apply(wanted)
        assert again["metadata"]["uid"] == live["metadata"]["uid"]
        assert again["spec"] == live["spec"] | {"suspend": wanted["spec"]["suspend"]}
        assert not differs(wanted, again)


def test_an_unwanted_field_is_detected_and_removed(cluster: KubernetesCluster, namespace: str) -> None:
    limited = build_children(cache_in(namespace, kfc={"resources": {"limits": {"memory": "1Gi"}}, "replicas": 3}))
    cluster.apply(find_component(limited, "Deployment", "kfc"))
    plain = find_component(build_children(cache_in(namespace, kfc={"replicas": 3})), "Deployment", "kfc")
    assert differs(plain, read(cluster, plain))
    live = cluster.apply(plain)
    assert "limits" not in container(live["spec"]["template"])["resources"]
    assert not differs(plain, live)


def test_additions_by_others_are_ignored_and_kept(
    api_server: ApiServer, cluster: KubernetesCluster, namespace: str
) -> None:
    wanted = find_component(build_children(cache_in(namespace)), "Deployment", "embark")
    cluster.apply(wanted)
    where = ("deployment", wanted["metadata"]["name"], f"--namespace={namespace}")
    api_server.kubectl("label", *where, "team=search")
    api_server.kubectl("annotate", *where, "note=kept")
    api_server.kubectl("scale", *where, "--replicas=4")
    live = read(cluster, wanted)
    assert not differs(wanted, live)
    live = cluster.apply(wanted)
    assert live["metadata"]["labels"]["team"] == "search"
    assert live["metadata"]["annotations"]["note"] == "kept"
    assert live["spec"]["replicas"] == 4


def test_a_manual_edit_is_detected_and_reverted(
    api_server: ApiServer, cluster: KubernetesCluster, namespace: str
) -> None:
    wanted = find_component(build_children(cache_in(namespace)), "Deployment", "embark")
    cluster.apply(wanted)
    where = ("deployment", wanted["metadata"]["name"], f"--namespace={namespace}")
    api_server.kubectl("set", "image", *where, "embark=elsewhere.example/embark:0")
    assert differs(wanted, read(cluster, wanted))
    assert not differs(wanted, cluster.apply(wanted))


def test_quantities_are_canonical_for_the_api_server(cluster: KubernetesCluster, namespace: str) -> None:
    deployment = find_component(build_children(cache_in(namespace)), "Deployment", "kfc")
    pod = deployment["spec"]["template"]["spec"]
    only = pod["containers"][0]
    pod["containers"] = [
        only | {"name": f"c{at}", "resources": {"limits": {"memory": quantity}}} for at, quantity in enumerate(STORED)
    ]
    stored = cluster.apply(deployment)["spec"]["template"]["spec"]["containers"]
    found = {q: only["resources"]["limits"]["memory"] for q, only in zip(STORED, stored, strict=True)}
    assert found == STORED
