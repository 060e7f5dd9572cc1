from typing import Any

import pytest
from child_manifests import SECRETS
from meshed_caches import EXTERNAL, KEDA, idle_retina_scaling, kfc_settings, meshed
from published_models import as_published

from embark_operator.apis import Apis
from embark_operator.names import Manifest


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = (m["spec"] for m in manifests if m["kind"] == kind)
    return dict(found)


def kinds(manifests: list[Manifest]) -> list[str]:
    return [manifest["kind"] for manifest in manifests]


def test_a_retina_that_nobody_waits_for_has_no_pod_until_its_kfc_has_lag() -> None:
    cache = meshed("none", retina={"autoscaling": {"min": 2, "max": 7, "targetCPU": 60}})
    spec = only(idle_retina_scaling(cache, KEDA), "ScaledObject")
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 7)
    lag, cpu = spec["triggers"]
    assert lag["metadata"]["consumerGroup"] == kfc_settings(cache).consumer_group
    assert cpu == {
        "type": "cpu",
        "metricType": "Utilization",
        "metadata": {"value": "60", "containerName": "retina"},
    }


def test_a_lag_of_any_size_asks_for_one_replica_at_most() -> None:
    lag, _ = only(idle_retina_scaling(meshed("none"), KEDA), "ScaledObject")["triggers"]
    assert int(lag["metadata"]["lagThreshold"]) == 10**9


def test_a_retina_that_a_rollout_needs_stays() -> None:
    cache = meshed("none", retina={"autoscaling": {"min": 2, "max": 7}})
    assert only(idle_retina_scaling(cache, KEDA, needed=True), "ScaledObject")["minReplicaCount"] == 2


@pytest.mark.parametrize("served", [EXTERNAL, Apis()])
def test_without_keda_it_is_scaled_by_cpu_and_keeps_a_pod(served: Apis) -> None:
    made = idle_retina_scaling(meshed("none"), served)
    assert kinds(made) == ["HorizontalPodAutoscaler", "PodDisruptionBudget"]
    assert made[0]["spec"]["minReplicas"] == 1


@pytest.mark.parametrize(
    ("retina", "made"),
    [
        ({"replicas": 2}, ["PodDisruptionBudget"]),
        ({"replicas": 1}, []),
        ({"autoscaling": {"max": 1}}, ["ScaledObject"]),
        ({}, ["ScaledObject", "PodDisruptionBudget"]),
    ],
    ids=str,
)
def test_a_fixed_number_has_no_scaler_and_one_pod_no_budget(retina: dict[str, Any], made: list[str]) -> None:
    assert kinds(idle_retina_scaling(meshed("none", retina=retina), KEDA)) == made


def test_every_field_is_one_of_the_published_schema() -> None:
    made = [m for m in idle_retina_scaling(meshed("none", **SECRETS), KEDA) if m["apiVersion"] == "keda.sh/v1alpha1"]
    assert kinds(made) == ["TriggerAuthentication", "ScaledObject"]
    for manifest in made:
        assert as_published(manifest) == manifest
