from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from embark_operator.names import COMPONENT_LABEL, Manifest
from embark_operator.options import Images, Options
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import (
    IMAGES,
    build_children,
    changes,
    children,
    find_component,
    select_kind,
    templates,
)

Change = dict[str, dict[str, Any]]


def rolled(before: list[Manifest], after: list[Manifest]) -> set[str]:
    """Return the components whose pods are replaced when `before` becomes `after`."""
    old, new = templates(before), templates(after)
    return {name for name in old.keys() - {"schema"} if old[name] != new[name]}


@pytest.mark.parametrize(
    ("change", "components"),
    [
        ({"embark": {"replicas": 5}}, []),
        ({"embark": {"autoscaling": {"min": 3, "max": 4}}}, []),
        ({"kfc": {"replicas": 3}}, []),
        ({"retina": {"autoscaling": {"max": 9}}}, []),
        ({"rollout": {"minCoverage": "0.5"}}, []),
        ({"embark": {"resources": {"requests": {"cpu": "2"}}}}, ["embark"]),
        ({"embark": {"hotTier": {"ttl": "5s"}}}, ["embark"]),
        ({"embark": {"readTimeout": "80ms"}}, ["embark"]),
        ({"kfc": {"resources": {"limits": {"memory": "1Gi"}}}}, ["kfc"]),
        ({"kfc": {"maxInflight": 8}}, ["kfc"]),
        ({"retina": {"resources": {"requests": {"cpu": "2"}}}}, ["retina"]),
        ({"encoder": {"fetch": {"timeout": "9s"}}}, ["retina"]),
        ({"encoder": {"model": {"uri": "https://elsewhere.example/m.onnx"}}}, ["retina"]),
        ({"encoder": {"provider": "cuda"}}, ["retina"]),
        ({"encoder": {"batch": {"maxSize": 8}}}, ["kfc", "retina"]),
        ({"topic": {"retry": {"maxAttempts": 9}}}, ["kfc"]),
        ({"miss": {"negativeTTL": {"notFound": "1h"}}}, ["kfc"]),
        ({"miss": {"oov": "Mean"}}, ["embark"]),
        ({"store": {"ttl": "24h"}}, ["embark", "kfc"]),
        ({"topic": {"kafka": {"credentialsSecret": "kafka-user"}}}, ["embark", "kfc"]),
    ],
    ids=str,
)
def test_a_change_replaces_the_pods_that_read_it_and_no_others(change: Change, components: list[str]) -> None:
    assert sorted(rolled(children(), children(**change))) == components


def test_new_settings_reach_a_pod_by_a_hash_on_its_template() -> None:
    def settings_hash(manifests: list[Manifest]) -> str:
        annotations: dict[str, str] = templates(manifests)["embark"]["metadata"]["annotations"]
        return annotations["embark.dev/settings-hash"]

    slower = children(embark={"readTimeout": "80ms"})
    assert settings_hash(slower) != settings_hash(children())
    assert settings_hash(children(embark={"replicas": 3})) == settings_hash(children())


def test_a_new_image_replaces_only_the_pods_of_its_service() -> None:
    newer = replace(IMAGES, embark="registry.example/embark:2")
    assert rolled(children(), build_children(sample("photos"), Options(newer))) == {"embark"}


@settings(max_examples=50, deadline=None)
@given(changes(), changes())
def test_a_deployment_selects_the_same_pods_after_any_change(first: Change, second: Change) -> None:
    # The API server rejects changes of a selector.
    old = {m["metadata"]["name"]: m["spec"]["selector"] for m in select_kind(children(**first), "Deployment")}
    for manifest in select_kind(children(**second), "Deployment"):
        name, selector = manifest["metadata"]["name"], manifest["spec"]["selector"]
        assert old.get(name, selector) == selector


@settings(max_examples=30, deadline=None)
@given(changes())
def test_every_selector_matches_the_pods_of_one_deployment(change: Change) -> None:
    manifests = children(**change)
    owners = [*select_kind(manifests, "Deployment"), *select_kind(manifests, "Job")]
    pods = {m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"] for m in owners}
    for manifest in manifests:
        selector = manifest.get("spec", {}).get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            found = {name for name, labels in pods.items() if wanted.items() <= labels.items()}
            deployment = find_component(owners, "Deployment", manifest["metadata"]["labels"][COMPONENT_LABEL])
            assert found == {deployment["metadata"]["name"]}


@settings(max_examples=50, deadline=None)
@given(changes(), changes())
def test_a_schema_job_of_a_name_is_never_changed(first: Change, second: Change) -> None:
    (old,), (new,) = (select_kind(children(**change), "Job") for change in (first, second))
    if old["metadata"]["name"] == new["metadata"]["name"]:
        assert old == new


@pytest.mark.parametrize(
    "change",
    [
        {"topic": {"kafka": {"partitions": 24}}},
        {"topic": {"kafka": {"name": "mine"}}},
        {"store": {"cassandra": {"keyspace": "elsewhere"}}},
        {"store": {"cassandra": {"tlsSecret": "tls"}}},
        {"encoder": {"output": {"dimension": 640}}},
    ],
    ids=str,
)
def test_the_schema_command_runs_again_for_what_it_creates(change: Change) -> None:
    (old,), (new,) = select_kind(children(), "Job"), select_kind(children(**change), "Job")
    assert old["metadata"]["name"] != new["metadata"]["name"]


@pytest.mark.parametrize(
    "change", [{"embark": {"readTimeout": "1s"}}, {"kfc": {"maxInflight": 9}}, {"store": {"ttl": "1h"}}], ids=str
)
def test_the_schema_command_does_not_run_again_for_anything_else(change: Change) -> None:
    assert select_kind(children(), "Job") == select_kind(children(**change), "Job")


@pytest.mark.parametrize(
    "images",
    [
        replace(IMAGES, kfc="registry.example/kfc:2"),
        replace(IMAGES, pull_policy="Always"),
        replace(IMAGES, pull_secrets=()),
    ],
    ids=lambda images: f"{images.kfc}-{images.pull_policy}-{images.pull_secrets}",
)
def test_a_schema_job_that_runs_differently_is_another_job(images: Images) -> None:
    (old,), (new,) = (
        select_kind(children(), "Job"),
        select_kind(build_children(sample("photos"), Options(images)), "Job"),
    )
    assert old["metadata"]["name"] != new["metadata"]["name"]


def test_a_schema_job_stays_once_it_is_complete() -> None:
    (job,) = select_kind(children(), "Job")
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
