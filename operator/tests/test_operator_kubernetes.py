"""The adapter of the Kubernetes API on a real API server."""

import copy
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kubernetes import config

from embark.errors import UnavailableError
from embark_operator.cluster.kinds import CACHE, CONFIG_MAP
from embark_operator.cluster.kubernetes import KubernetesCluster
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, ConflictError, MissingError
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.eventually import eventually

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(namespace: CacheNamespace) -> Iterator[KubernetesCluster]:
    path = str(namespace.server.kubeconfig)
    with (
        config.new_client_from_config(config_file=path) as client,  # type: ignore[no-untyped-call]
        closing(KubernetesCluster(client)) as connected,
    ):
        yield connected


def _config_map(namespace: CacheNamespace, **data: str) -> dict[str, Any]:
    metadata = {"name": "kept", "namespace": namespace.name, "labels": {"team": "ads"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_applied_objects_are_found_and_omitted_fields_are_removed(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    cluster.apply(_config_map(namespace, a="1", b="2"))
    cluster.apply(_config_map(namespace, a="1"))
    found = cluster.find(CONFIG_MAP, namespace.name, "team=ads")
    assert [body["data"] for body in found] == [{"a": "1"}]
    assert found[0] == cluster.read(CONFIG_MAP, namespace.name, "kept")


def test_a_missing_object_reads_as_none_and_its_deletion_succeeds(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    assert cluster.read(CONFIG_MAP, namespace.name, "nothing") is None
    cluster.delete(CONFIG_MAP, namespace.name, "nothing", "no-uid")


def test_a_recreated_object_is_not_deleted_in_place_of_the_old_one(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    cluster.apply(_config_map(namespace))
    cluster.delete(CONFIG_MAP, namespace.name, "kept", "00000000-0000-0000-0000-000000000000")
    assert cluster.read(CONFIG_MAP, namespace.name, "kept") is not None


def test_creating_twice_is_a_conflict(namespace: CacheNamespace, cluster: KubernetesCluster) -> None:
    cluster.create(_config_map(namespace))
    with pytest.raises(ConflictError):
        cluster.create(_config_map(namespace))


def test_a_status_is_written_unless_the_cache_was_changed_or_deleted(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    namespace.apply("photos")
    cache = cluster.read(CACHE, namespace.name, "photos")
    assert cache is not None
    cluster.write_status(cache, {"phase": "Pending"})
    with pytest.raises(ConflictError):
        cluster.write_status(copy.deepcopy(cache), {"phase": "Ready"})
    namespace.kubectl("delete", "embc", "photos")
    with pytest.raises(MissingError):
        cluster.write_status(cache, {"phase": "Ready"})


def test_only_finalizers_are_written_unless_the_cache_was_changed(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    namespace.apply("photos")
    cache = cluster.read(CACHE, namespace.name, "photos")
    assert cache is not None
    guarded = cluster.write_finalizers(cache, ["embark.dev/keyspace"])
    assert guarded["metadata"]["finalizers"] == ["embark.dev/keyspace"]
    assert guarded["spec"] == cache["spec"]
    with pytest.raises(ConflictError):
        cluster.write_finalizers(cache, [])
    assert "finalizers" not in cluster.write_finalizers(guarded, [])["metadata"]


def test_a_foreground_deletion_waits_for_the_owned_objects(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    owner = cluster.apply(_config_map(namespace))
    blocks = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kept", "uid": owner["metadata"]["uid"]}
    held = _config_map(namespace)
    held["metadata"] |= {"name": "owned", "ownerReferences": [blocks | {"blockOwnerDeletion": True}]}
    held["metadata"]["finalizers"] = ["example.dev/held"]
    cluster.apply(held)
    cluster.delete(CONFIG_MAP, namespace.name, "kept", owner["metadata"]["uid"], foreground=True)
    eventually(lambda: _is_ending(cluster, namespace, "owned"), 60, "the deletion of the owned one is requested")
    assert _is_ending(cluster, namespace, "kept")
    namespace.kubectl("patch", "configmap", "owned", "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    eventually(lambda: cluster.read(CONFIG_MAP, namespace.name, "kept") is None, 60, "both are deleted")


def test_a_refusal_names_a_terminating_namespace_as_its_reason(
    namespace: CacheNamespace, cluster: KubernetesCluster
) -> None:
    terminating = CacheNamespace(namespace.server, f"{namespace.name}-terminating")
    terminating.server.kubectl("create", "namespace", terminating.name)
    held = _config_map(terminating)
    held["metadata"]["finalizers"] = ["example.dev/held"]
    cluster.apply(held)
    terminating.server.kubectl("delete", "namespace", terminating.name, "--wait=false")
    late = _config_map(terminating)
    late["metadata"]["name"] = "late"
    with pytest.raises(ApiRefusedError) as refused:
        cluster.apply(late)
    assert refused.value.reason == NAMESPACE_TERMINATING
    terminating.kubectl("patch", "configmap", "kept", "--type=merge", '--patch={"metadata": {"finalizers": null}}')


def _is_ending(cluster: KubernetesCluster, namespace: CacheNamespace, name: str) -> bool:
    found = cluster.read(CONFIG_MAP, namespace.name, name)
    return found is not None and "deletionTimestamp" in found["metadata"]


def test_a_refusal_names_the_object_and_the_reason(namespace: CacheNamespace, cluster: KubernetesCluster) -> None:
    manifest = _config_map(namespace) | {"data": {"a b": "no name of a key"}}
    with pytest.raises(ApiRefusedError, match=r"ConfigMap .*kept") as refused:
        cluster.apply(manifest)
    assert refused.value.reason == "Invalid"


def test_a_server_that_does_not_answer_is_unavailable(namespace: CacheNamespace, cluster: KubernetesCluster) -> None:
    cluster.find(CONFIG_MAP, namespace.name)
    namespace.server.server.suspend()
    try:
        with pytest.raises(UnavailableError, match="kubernetes"):
            cluster.read(CONFIG_MAP, namespace.name, "kept")
    finally:
        namespace.server.server.resume()
