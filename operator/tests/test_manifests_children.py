import json
from collections import Counter
from typing import Any

import pytest

from embark.manifest import parse_manifest
from embark.names import retina_target
from embark.settings import EmbArkSettings, KfcSettings, RetinaSettings, settings_for
from embark.spec import EmbeddingCache
from embark_operator.cluster.kinds import CHILD_KINDS
from embark_operator.manifests.kfc import build_kfc
from embark_operator.names import CACHE_LABEL, MANAGED_BY_LABEL, Manifest
from embark_testing.caches import sample_text
from embark_testing.worlds.child_manifests import (
    CHANGES,
    UID,
    build_children,
    build_context,
    build_every_child,
    children,
    every_child,
    leaves,
    select_kind,
)

ALL = [manifest for change in CHANGES for manifest in every_child(**change)]


def named(name: str, namespace: str = "default") -> EmbeddingCache:
    text = sample_text("photos").replace("name: photos", f"name: {name}\n  namespace: {namespace}", 1)
    return parse_manifest(text)


def test_every_child_is_owned_by_its_cache_and_found_by_its_labels() -> None:
    cache = named("mine", "team")
    for manifest in build_every_child(cache):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "team"
        assert metadata["labels"][CACHE_LABEL] == "mine"
        assert metadata["labels"][MANAGED_BY_LABEL] == "embark-operator"
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "embark.dev/v1alpha1",
                "kind": "EmbeddingCache",
                "name": "mine",
                "uid": UID,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def test_reconcile_looks_for_every_kind_of_child() -> None:
    known = {(kind.api_version, kind.name) for kind in CHILD_KINDS}
    assert {(manifest["apiVersion"], manifest["kind"]) for manifest in ALL} == known


def test_no_two_children_are_the_same_object() -> None:
    for change in CHANGES:
        counted = Counter((m["kind"], m["metadata"]["name"]) for m in every_child(**change))
        assert set(counted.values()) == {1}


def test_the_longest_cache_name_gives_valid_dns_labels() -> None:
    cache = named("n" * 40, "s" * 63)
    labels = [manifest["metadata"]["labels"].values() for manifest in build_every_child(cache)]
    names = [manifest["metadata"]["name"] for manifest in build_every_child(cache)]
    assert max(len(text) for text in (*names, *(value for values in labels for value in values))) <= 63


def test_manifests_contain_only_json_values_and_nothing_empty() -> None:
    assert json.loads(json.dumps(ALL)) == ALL
    for path, leaf in (found for manifest in ALL for found in leaves(manifest)):
        # An empty selector selects everything; any other empty value has no meaning.
        if leaf == {} and str(path[-1]).endswith("Selector"):
            continue
        # Some encoders do not write subclasses of str, such as enums, as strings.
        assert type(leaf) in {str, int, bool}, path


def test_the_same_cache_always_has_the_same_children() -> None:
    for change in CHANGES:
        assert every_child(**change) == every_child(**change)


def test_manifests_share_no_mutable_parts() -> None:
    first, second = every_child(), every_child()
    for manifest in first:
        _spoil(manifest)
    assert every_child() == second


def test_a_child_is_applied_after_the_objects_that_its_pods_need() -> None:
    seen: set[tuple[str, str]] = set()
    for manifest in every_child():
        if manifest["kind"] in {"Deployment", "Job"}:
            pod = manifest["spec"]["template"]["spec"]
            assert ("ServiceAccount", pod["serviceAccountName"]) in seen
            (config_map,) = (v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v)
            assert ("ConfigMap", config_map) in seen
        seen.add((manifest["kind"], manifest["metadata"]["name"]))


def test_a_config_map_holds_the_settings_that_its_service_parses() -> None:
    cache = named("mine")
    found = {m["metadata"]["name"]: m["data"] for m in select_kind(build_children(cache), "ConfigMap")}
    space = settings_for(cache).kfc.space.id
    forms: dict[str, Any] = {
        "mine-embark": EmbArkSettings,
        f"mine-kfc-{space}": KfcSettings,
        f"mine-retina-{space}": RetinaSettings,
    }
    read = {name: forms[name].model_validate_json(data["settings.json"]) for name, data in found.items()}
    assert set(read.values()) == set(settings_for(cache))
    assert all(list(data) == ["settings.json"] for data in found.values())


def test_clients_resolve_embark_to_one_address_or_to_its_pods() -> None:
    services = {m["metadata"]["name"]: m["spec"] for m in select_kind(build_children(named("mine")), "Service")}
    assert "clusterIP" not in services["mine-embark"]
    assert services["mine-embark-headless"]["clusterIP"] == "None"
    for spec in services.values():
        assert spec["ports"][0]["port"] == 50051
        assert "publishNotReadyAddresses" not in spec


def test_kfc_resolves_retina_by_its_headless_service() -> None:
    cache = named("mine", "team")
    space = settings_for(cache).kfc.space.id
    (service,) = (m for m in select_kind(build_children(cache), "Service") if "retina" in m["metadata"]["name"])
    metadata, port = service["metadata"], service["spec"]["ports"][0]["port"]
    assert f"dns:///{metadata['name']}.{metadata['namespace']}:{port}" == retina_target(cache, space)
    assert service["spec"]["clusterIP"] == "None"


def test_the_children_of_two_spaces_have_different_names() -> None:
    cache = named("mine")
    settings = settings_for(cache).kfc
    other = settings_for(cache, settings.space.model_copy(update={"dimension": 3})).kfc
    names = [m["metadata"]["name"] for s in (settings, other) for m in build_kfc(build_context(cache), s)]
    assert not set(names[: len(names) // 2]) & set(names[len(names) // 2 :])


@pytest.mark.parametrize("kind", ["Deployment", "ConfigMap", "HorizontalPodAutoscaler"])
def test_an_unwanted_field_changes_the_manifest_hash(kind: str) -> None:
    def hashes(manifests: list[Manifest]) -> set[str]:
        return {m["metadata"]["annotations"]["embark.dev/manifest-hash"] for m in select_kind(manifests, kind)}

    more = children(
        embark={"autoscaling": {"targetCPU": 60}, "resources": {"limits": {"memory": "1Gi"}}, "readTimeout": "1s"}
    )
    assert len(hashes(children()) - hashes(more)) == 1


def _spoil(value: object) -> None:
    if isinstance(value, dict):
        for part in value.values():
            _spoil(part)
        value.clear()
    elif isinstance(value, list):
        for part in value:
            _spoil(part)
        value.clear()
