from typing import Any

import pytest

from embark_operator.cluster.apis import Apis
from embark_operator.names import Manifest
from embark_testing.worlds.child_manifests import SECRETS
from embark_testing.worlds.meshed_caches import EXTERNAL, KEDA, kfc_settings, meshed, retina_scaling
from embark_testing.worlds.published_models import as_published


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = (m["spec"] for m in manifests if m["kind"] == kind)
    return dict(found)


def kinds(manifests: list[Manifest]) -> list[str]:
    return [manifest["kind"] for manifest in manifests]


def test_an_idle_retina_has_no_pod_until_its_kfc_has_lag() -> None:
    cache = meshed("none", retina={"autoscaling": {"min": 2, "max": 7, "targetCPU": 60}})
    spec = only(retina_scaling(cache, KEDA), "ScaledObject")
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 7)
    lag, cpu = spec["triggers"]
    assert lag["metadata"]["consumerGroup"] == kfc_settings(cache).consumer_group
    assert cpu == {
        "type": "cpu",
        "metricType": "Utilization",
        "metadata": {"value": "60", "containerName": "retina"},
    }


def test_lag_requests_at_most_one_replica() -> None:
    lag, _ = only(retina_scaling(meshed("none"), KEDA), "ScaledObject")["triggers"]
    assert int(lag["metadata"]["lagThreshold"]) == 10**9


def test_a_retina_that_a_rollout_needs_keeps_its_pods() -> None:
    cache = meshed("none", retina={"autoscaling": {"min": 2, "max": 7}})
    assert only(retina_scaling(cache, KEDA, filled=True), "ScaledObject")["minReplicaCount"] == 2


def test_a_retina_that_a_rollout_needs_keeps_a_pod_even_if_the_spec_allows_none() -> None:
    cache = meshed("none", retina={"autoscaling": {"min": 0}})
    assert only(retina_scaling(cache, KEDA, filled=True), "ScaledObject")["minReplicaCount"] == 1


@pytest.mark.parametrize(("least", "built"), [(0, "ScaledObject"), (1, "HorizontalPodAutoscaler")])
def test_the_retina_of_the_active_space_scales_to_zero_if_the_spec_allows_it(least: int, built: str) -> None:
    cache = meshed("none", retina={"autoscaling": {"min": least, "max": 7}})
    assert kinds(retina_scaling(cache, KEDA, idle=False)) == [built, "PodDisruptionBudget"]
    if not least:
        spec = only(retina_scaling(cache, KEDA, idle=False), built)
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 7)
        assert [trigger["type"] for trigger in spec["triggers"]] == ["kafka", "cpu"]


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("served", [EXTERNAL, Apis()])
def test_without_keda_retina_never_scales_to_zero(served: Apis, idle: bool) -> None:  # noqa: FBT001
    cache = meshed("none", retina={"autoscaling": {"min": 0}})
    assert only(retina_scaling(cache, served, idle=idle), "HorizontalPodAutoscaler")["minReplicas"] == 1


@pytest.mark.parametrize("served", [EXTERNAL, Apis()])
def test_without_keda_retina_is_scaled_by_cpu_and_keeps_a_pod(served: Apis) -> None:
    built = retina_scaling(meshed("none"), served)
    assert kinds(built) == ["HorizontalPodAutoscaler", "PodDisruptionBudget"]
    assert built[0]["spec"]["minReplicas"] == 1


@pytest.mark.parametrize(
    ("retina", "built"),
    [
        ({"replicas": 2}, ["PodDisruptionBudget"]),
        ({"replicas": 1}, []),
        ({"autoscaling": {"max": 1}}, ["ScaledObject"]),
        ({}, ["ScaledObject", "PodDisruptionBudget"]),
    ],
    ids=str,
)
def test_fixed_replicas_have_no_scaler_and_one_replica_has_no_budget(retina: dict[str, Any], built: list[str]) -> None:
    assert kinds(retina_scaling(meshed("none", retina=retina), KEDA)) == built


@pytest.mark.parametrize("idle", [True, False])
def test_every_field_is_in_the_published_schema(idle: bool) -> None:  # noqa: FBT001
    cache = meshed("none", retina={"autoscaling": {"min": 0}}, **SECRETS)
    built = [m for m in retina_scaling(cache, KEDA, idle=idle) if m["apiVersion"] == "keda.sh/v1alpha1"]
    assert kinds(built) == ["TriggerAuthentication", "ScaledObject"]
    for manifest in built:
        assert as_published(manifest) == manifest
