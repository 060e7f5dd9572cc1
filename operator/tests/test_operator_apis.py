"""Reconciling on clusters with and without APIs beyond Kubernetes' own."""

from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import (
    AUTOSCALER,
    CERTIFICATE,
    DEPLOYMENT,
    FOREIGN_KINDS,
    LINKERD_SERVER,
    SCALED_OBJECT,
    Kind,
)
from embark_testing.worlds.reconciled_caches import World

EVERYTHING = Apis(frozenset((kind.api_version, kind.name) for kind in FOREIGN_KINDS))
LINKERD = {"provider": "linkerd", "authorizedClients": [{"serviceAccount": "ranker", "namespace": "ads"}]}


def names(world: World, kind: Kind) -> set[str]:
    return {name for of, name in world.children() if of == kind.name} | {
        name for (of, _, name) in world.cluster.objects if of == kind
    }


def test_a_missing_mesh_is_reported_and_the_rest_is_created() -> None:
    world = World(mesh=LINKERD)
    world.reconcile()
    world.make_ready()
    world.reconcile()
    condition = world.condition("MeshReady")
    assert (condition["status"], condition["reason"]) == ("False", "ApiMissing")
    assert "policy.linkerd.io/v1beta3 Server" in condition["message"]
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("EmbArkReady")["status"] == "True"


def test_mesh_objects_are_created_and_pruned_with_the_mesh() -> None:
    world = World(mesh=LINKERD)
    world.cluster.apis = EVERYTHING
    world.reconcile()
    world.make_ready()
    world.reconcile()
    assert world.condition("MeshReady")["status"] == "True"
    assert names(world, LINKERD_SERVER)
    assert world.reconcile() == []
    world.apply_cache()
    deleted = [line for line in world.reconcile() if line.startswith("delete")]
    servers = [number for number, line in enumerate(deleted) if "Server" in line]
    policies = [number for number, line in enumerate(deleted) if "AuthorizationPolicy" in line]
    assert servers
    assert max(servers) < min(policies)
    assert not names(world, LINKERD_SERVER)


def test_a_cache_without_a_mesh_has_no_condition_about_it() -> None:
    world = World()
    world.reconcile()
    assert "MeshReady" not in {condition["type"] for condition in world.status["conditions"]}


def test_a_scaler_is_deleted_before_one_of_another_kind_is_created_and_replicas_stay() -> None:
    world = World()
    world.reconcile()
    before = {name for name in names(world, AUTOSCALER) if "-kfc-" in name}
    assert len(before) == 1
    (deployment,) = (name for name in names(world, DEPLOYMENT) if "-kfc-" in name)
    world.cluster.edit(DEPLOYMENT, "default", deployment, {"spec": {"replicas": 4}})
    world.cluster.apis = EVERYTHING
    assert world.status["kfcScaler"] == "cpu"
    written = world.reconcile()
    assert world.status["kfcScaler"] == "keda"
    deleted, created = f"delete HorizontalPodAutoscaler {before.pop()}", f"apply ScaledObject {deployment}"
    assert written.index(deleted) < written.index(created)
    assert {name for name in names(world, AUTOSCALER) if "-kfc-" in name} == set()
    assert names(world, SCALED_OBJECT) == {deployment}
    assert world.cluster.objects[DEPLOYMENT, "default", deployment]["spec"]["replicas"] == 4
    world.cluster.apis = Apis()
    world.cluster.edit(DEPLOYMENT, "default", deployment, {"spec": {"replicas": 5}})
    world.reconcile()
    assert {name for name in names(world, AUTOSCALER) if "-kfc-" in name} == {deployment}
    assert world.cluster.objects[DEPLOYMENT, "default", deployment]["spec"]["replicas"] == 5


def test_a_saturated_retina_caps_the_replicas_of_its_kfc() -> None:
    world = World(kfc={"autoscaling": {"min": 1, "max": 12}})
    world.reconcile()
    (retina,) = (name for name in names(world, AUTOSCALER) if "-retina-" in name)
    (kfc,) = (name for name in names(world, DEPLOYMENT) if "-kfc-" in name)
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    world.cluster.edit(AUTOSCALER, "default", retina, {"status": {"conditions": [limited]}})
    world.cluster.edit(DEPLOYMENT, "default", kfc, {"spec": {"replicas": 3}})
    world.reconcile()
    assert world.cluster.objects[AUTOSCALER, "default", kfc]["spec"]["maxReplicas"] == 3
    world.cluster.edit(AUTOSCALER, "default", retina, {"status": {"conditions": []}})
    world.reconcile()
    assert world.cluster.objects[AUTOSCALER, "default", kfc]["spec"]["maxReplicas"] == 12


def test_a_certificate_without_cert_manager_is_reported_and_one_with_it_is_created() -> None:
    world = World(tls={"secret": "photos-tls", "issuer": {"name": "ours"}})
    world.reconcile()
    assert "cert-manager.io/v1 Certificate" in world.condition("CertificateReady")["message"]
    assert world.condition("Ready")["status"] == "False"
    world.cluster.apis = EVERYTHING
    world.reconcile()
    assert names(world, CERTIFICATE) == {"photos-tls"}
    assert "CertificateReady" not in {condition["type"] for condition in world.status["conditions"]}
