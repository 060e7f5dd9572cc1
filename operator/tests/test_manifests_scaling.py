from typing import Any

import pytest
from hypothesis import given, settings

from embark_operator.names import COMPONENT_LABEL
from embark_testing.worlds.child_manifests import changes, children, find_component, select_kind

Change = dict[str, dict[str, Any]]


def bounds(component: str, **change: dict[str, Any]) -> tuple[int, int, int]:
    spec = find_component(children(**change), "HorizontalPodAutoscaler", component)["spec"]
    (metric,) = spec["metrics"]
    return spec["minReplicas"], spec["maxReplicas"], metric["containerResource"]["target"]["averageUtilization"]


@settings(max_examples=50, deadline=None)
@given(changes())
def test_replicas_are_set_only_without_an_autoscaler(change: Change) -> None:
    manifests = children(**change)
    scaled = {m["spec"]["scaleTargetRef"]["name"]: m["spec"] for m in select_kind(manifests, "HorizontalPodAutoscaler")}
    for deployment in select_kind(manifests, "Deployment"):
        assert ("replicas" in deployment["spec"]) != (deployment["metadata"]["name"] in scaled)
    assert all(1 <= spec["minReplicas"] <= spec["maxReplicas"] for spec in scaled.values())


def test_every_component_is_autoscaled_by_default() -> None:
    assert bounds("embark") == (2, 10, 70)
    assert bounds("retina") == (1, 4, 80)
    assert bounds("kfc") == (1, 12, 80)


def test_autoscaling_follows_the_spec() -> None:
    assert bounds("embark", embark={"autoscaling": {"min": 3, "max": 5, "targetCPU": 50}}) == (3, 5, 50)
    assert bounds("retina", retina={"autoscaling": {"max": 9}}) == (1, 9, 80)


def test_kfc_never_has_more_replicas_than_partitions() -> None:
    assert bounds("kfc", topic={"kafka": {"partitions": 3}}) == (1, 3, 80)
    assert bounds("kfc", topic={"kafka": {"partitions": 3}}, kfc={"autoscaling": {"min": 8, "max": 9}}) == (3, 3, 80)
    assert bounds("kfc", kfc={"autoscaling": {"min": 0}}) == (1, 12, 80)


def test_pods_are_added_at_once_and_removed_slowly() -> None:
    for scaler in select_kind(children(), "HorizontalPodAutoscaler"):
        behavior = scaler["spec"]["behavior"]
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300


@pytest.mark.parametrize(("duration", "seconds"), [("0s", 0), ("90s", 90), ("1500ms", 2), ("1h", 3600)])
def test_pods_are_removed_after_the_time_in_the_spec(duration: str, seconds: int) -> None:
    scaled = {name: {"autoscaling": {"scaleDownAfter": duration}} for name in ("embark", "kfc", "retina")}
    scalers = select_kind(children(**scaled), "HorizontalPodAutoscaler")
    windows = [scaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] for scaler in scalers]
    assert windows == [seconds] * 3


@pytest.mark.parametrize(
    ("change", "components"),
    [
        ({}, ["embark", "retina"]),
        ({"embark": {"replicas": 1}, "retina": {"replicas": 0}}, []),
        ({"embark": {"replicas": 2}, "retina": {"autoscaling": {"max": 1}}}, ["embark"]),
        ({"embark": {"replicas": 1}, "retina": {"replicas": 2}}, ["retina"]),
    ],
    ids=str,
)
def test_a_drain_evicts_one_pod_at_a_time_of_a_component_that_can_have_two(
    change: Change, components: list[str]
) -> None:
    budgets = select_kind(children(**change), "PodDisruptionBudget")
    assert sorted(budget["metadata"]["labels"][COMPONENT_LABEL] for budget in budgets) == components
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets)
