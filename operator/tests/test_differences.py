import copy
from typing import Any

import pytest

from embark_operator.cluster.differences import differs
from embark_operator.names import Manifest
from embark_testing.worlds.child_manifests import CHANGES, children, find_component, leaves, select_kind

ALL = [manifest for change in CHANGES for manifest in children(**change)]


def at(manifest: Manifest, path: tuple[str | int, ...]) -> Any:
    found: Any = manifest
    for part in path:
        found = found[part]
    return found


def object_name(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def embark() -> Manifest:
    return find_component(children(), "Deployment", "embark")


@pytest.mark.parametrize("manifest", ALL, ids=object_name)
def test_a_manifest_does_not_differ_from_itself(manifest: Manifest) -> None:
    assert not differs(manifest, copy.deepcopy(manifest))


@pytest.mark.parametrize("manifest", ALL, ids=object_name)
def test_a_changed_value_is_detected_at_any_depth(manifest: Manifest) -> None:
    for path, leaf in leaves(manifest):
        live = copy.deepcopy(manifest)
        # True and 1 are equal in Python.
        for other in ("changed", int(leaf) if isinstance(leaf, bool) else str(leaf) if isinstance(leaf, int) else None):
            at(live, path[:-1])[path[-1]] = other
            assert differs(manifest, live), path


@pytest.mark.parametrize("manifest", ALL, ids=object_name)
def test_a_removed_value_is_detected_at_any_depth(manifest: Manifest) -> None:
    for path, _ in leaves(manifest):
        live = copy.deepcopy(manifest)
        del at(live, path[:-1])[path[-1]]
        assert differs(manifest, live), path


def test_additions_by_others_are_ignored() -> None:
    live = embark()
    live["metadata"]["labels"]["team"] = "search"
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    live["metadata"]["ownerReferences"].insert(0, {"uid": "another", "kind": "Bundle"})
    live["status"] = {"readyReplicas": 2}
    live["spec"]["replicas"] = 7
    template = live["spec"]["template"]
    template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now"
    pod = template["spec"]
    pod["dnsPolicy"] = "ClusterFirst"
    pod["containers"].insert(0, {"name": "proxy", "image": "mesh"})
    pod["volumes"].insert(0, {"name": "identity", "emptyDir": {}})
    pod["containers"][1]["env"].insert(0, {"name": "TRACING", "value": "on"})
    pod["containers"][1]["volumeMounts"].insert(0, {"name": "identity", "mountPath": "/identity"})
    pod["containers"][1]["ports"].insert(0, {"containerPort": 9999, "protocol": "TCP"})
    assert not differs(embark(), live)


def test_arguments_are_compared_as_a_whole_and_in_order() -> None:
    live = embark()
    arguments = live["spec"]["template"]["spec"]["containers"][0]["args"]
    arguments.append("--verbose")
    assert differs(embark(), live)
    arguments.pop()
    assert not differs(embark(), live)
    arguments.reverse()
    assert differs(embark(), live)


def test_a_missing_container_is_detected_next_to_another() -> None:
    live = embark()
    live["spec"]["template"]["spec"]["containers"][0]["name"] = "other"
    assert differs(embark(), live)


def test_a_list_or_an_object_of_another_kind_is_a_difference() -> None:
    assert differs({"spec": {"a": 1}}, {"spec": []})
    assert differs({"args": ["a"]}, {"args": "a"})
    assert differs({"args": ["a"]}, {"args": None})


def test_named_items_may_change_places() -> None:
    live = find_component(children(), "Service", "retina")
    live["spec"]["ports"].reverse()
    assert not differs(find_component(children(), "Service", "retina"), live)


def test_a_field_that_is_no_longer_wanted_is_a_difference() -> None:
    limited = children(kfc={"resources": {"limits": {"memory": "1Gi"}}})
    assert differs(find_component(children(), "Deployment", "kfc"), find_component(limited, "Deployment", "kfc"))
    secret = children(store={"cassandra": {"tlsSecret": "tls"}})
    assert differs(find_component(children(), "Deployment", "kfc"), find_component(secret, "Deployment", "kfc"))


def test_the_examples_cover_all_kinds() -> None:
    assert all(select_kind(ALL, kind) for kind in ("Service", "Job", "HorizontalPodAutoscaler", "PodDisruptionBudget"))
