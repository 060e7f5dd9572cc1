"""A cache that scales to zero when idle: its status, and a rollout of it."""

from typing import Any

import pytest

from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT, POD, SCALED_OBJECT
from embark_testing.worlds.meshed_caches import EXTERNAL, KEDA
from embark_testing.worlds.rolled_caches import OTHER, RollingWorld

ZERO: dict[str, Any] = {"autoscaling": {"min": 0}}


class RestingWorld(RollingWorld):
    """A RollingWorld whose KEDA never finds lag: everything that can scale to zero has no pods."""

    def react(self) -> None:
        super().react()
        for (kind, namespace, name), body in list(self.cluster.objects.items()):
            if kind == SCALED_OBJECT and body["spec"]["minReplicaCount"] == 0:
                counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), 0)
                generation = self.cluster.objects[DEPLOYMENT, namespace, name]["metadata"]["generation"] + 1
                status = counts | {"observedGeneration": generation}
                self.cluster.edit(DEPLOYMENT, namespace, name, {"spec": {"replicas": 0}, "status": status})
                del self.cluster.objects[POD, namespace, f"{name}-1"]
        self.cluster.writes.clear()


def resting(apis: Apis, **changes: Any) -> RestingWorld:
    world = RestingWorld(**changes)
    world.cluster.apis = apis
    for _ in range(3):
        world.reconcile()
        world.react()
    world.reconcile()
    return world


def replicas(world: RestingWorld, component: str) -> list[int]:
    found = [body for (kind, *_), body in world.cluster.objects.items() if kind == DEPLOYMENT]
    return [body["spec"]["replicas"] for body in found if f"-{component}-" in body["metadata"]["name"]]


def test_with_keda_an_idle_cache_has_neither_kfc_nor_retina_pods() -> None:
    world = resting(KEDA, kfc=ZERO, retina=ZERO)
    assert (replicas(world, "kfc"), replicas(world, "retina")) == ([0], [0])
    assert world.condition("ScalesToZero")["status"] == "True"
    assert {world.condition(f"{part}Ready")["reason"] for part in ("Kfc", "Retina")} == {"ScaledToZero"}
    assert world.condition("Ready")["status"] == "True"
    assert world.reconcile() == []


@pytest.mark.parametrize("apis", [EXTERNAL, Apis()], ids=["external", "cpu"])
def test_without_keda_one_pod_remains_and_the_status_says_so(apis: Apis) -> None:
    world = resting(apis, kfc=ZERO, retina=ZERO)
    condition = world.condition("ScalesToZero")
    assert (condition["status"], condition["reason"]) == ("False", "ApiMissing")
    for words in ("keda.sh/v1alpha1 ScaledObject", "spec.kfc.autoscaling.min", "spec.retina.autoscaling.min"):
        assert words in condition["message"]
    assert world.condition("Ready")["status"] == "True"
    for component in ("-kfc-", "-retina-"):
        assert world.child(AUTOSCALER, component)["spec"]["minReplicas"] == 1


def test_only_the_field_that_allows_zero_is_named() -> None:
    message = resting(Apis(), kfc=ZERO).condition("ScalesToZero")["message"]
    assert "spec.kfc.autoscaling.min" in message
    assert "retina" not in message


def test_a_cache_that_does_not_scale_to_zero_has_no_condition_about_it() -> None:
    world = resting(Apis(), kfc=ZERO)
    world.apply_cache(kfc={"autoscaling": {"min": 1}}, retina={"replicas": 0})
    world.reconcile()
    assert "ScalesToZero" not in {condition["type"] for condition in world.status["conditions"]}


@pytest.mark.parametrize("spec", [{}, {"kfc": ZERO, "retina": ZERO}], ids=["active", "all"])
def test_a_rollout_completes_without_lag_and_the_kept_space_has_no_pods(spec: dict[str, Any]) -> None:
    world = resting(KEDA, **spec)
    world.apply_cache(encoder=OTHER, **spec)
    world.run_until("Holding")
    world.react()
    world.reconcile()
    kept = world.space("previous")
    for component in ("kfc", "retina"):
        assert world.child(DEPLOYMENT, f"photos-{component}-{kept}")["spec"]["replicas"] == 0


def test_a_saturated_retina_scaled_by_keda_caps_its_kfc() -> None:
    world = resting(KEDA, kfc={"autoscaling": {"min": 1, "max": 9}}, retina=ZERO)
    retina, kfc = (world.child(DEPLOYMENT, f"-{name}-")["metadata"]["name"] for name in ("retina", "kfc"))
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    labels = world.child(SCALED_OBJECT, "-retina-")["metadata"]["labels"]
    metadata = {"name": f"keda-hpa-{retina}", "namespace": "default", "labels": labels}
    made_by_keda = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata}
    status = {"status": {"conditions": [limited]}}
    world.cluster.create(made_by_keda | {"spec": {"scaleTargetRef": {"name": retina}}} | status)
    world.cluster.edit(DEPLOYMENT, "default", kfc, {"spec": {"replicas": 3}})
    assert [line for line in world.reconcile() if "Autoscaler" in line] == []
    assert world.child(SCALED_OBJECT, "-kfc-")["spec"]["maxReplicaCount"] == 3
