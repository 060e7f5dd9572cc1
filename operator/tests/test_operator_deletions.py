import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import pytest

from embark.errors import UnavailableError
from embark.settings import DropScope, DropSettings
from embark_operator.cluster.finalizers import FINALIZER
from embark_operator.cluster.kinds import (
    AUTOSCALER,
    CACHE,
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    JOB,
    SERVICE_ACCOUNT,
    Kind,
)
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError
from embark_operator.names import FIELD_MANAGER, Manifest
from embark_testing.worlds.deleted_caches import DELETE, DeletingWorld
from embark_testing.worlds.memory_cluster import MemoryCluster
from embark_testing.worlds.reconciled_caches import KEY, World

T = TypeVar("T")
STARTERS = {AUTOSCALER.name, DEPLOYMENT.name, JOB.name}
RETAIN = {"deletionPolicy": "Retain"}
STORE_AWAY = "store: no answer in time"


def test_a_cache_gets_its_finalizer_before_its_children() -> None:
    world = DeletingWorld()
    assert world.reconcile()[0] == "finalizers photos"
    assert world.guarded
    assert world.reconcile() == []


def test_a_cache_whose_keyspace_is_kept_has_no_finalizer() -> None:
    world = World()
    assert "finalizers photos" not in world.reconcile()
    assert "finalizers" not in world.cluster.objects[CACHE, *KEY]["metadata"]


def test_the_finalizer_is_removed_with_the_policy_and_those_of_others_stay() -> None:
    world = DeletingWorld()
    world.cluster.edit(CACHE, *KEY, {"metadata": {"finalizers": ["example.dev/backup"]}})
    world.reconcile()
    assert world.cluster.objects[CACHE, *KEY]["metadata"]["finalizers"] == ["example.dev/backup", FINALIZER]
    world.apply_cache(store=RETAIN)
    world.reconcile()
    assert world.cluster.objects[CACHE, *KEY]["metadata"]["finalizers"] == ["example.dev/backup"]


def test_no_keyspace_is_dropped_while_a_pod_of_the_cache_remains() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.add_pod("photos-kfc-1")
    started = [body["metadata"]["name"] for body in world.children().values() if body["kind"] in STARTERS]
    world.delete_cache()
    ended = [line.split()[-1] for line in world.reconcile() if line.startswith("delete")]
    assert sorted(ended) == sorted(started)
    assert world.status["phase"] == "Deleting"
    assert "photos-kfc-1" in world.condition("KeyspaceDropped")["message"]
    assert world.result.requeue_after
    world.cluster.collect()
    assert world.reconcile() == []
    assert not world.find_drops()


def test_no_keyspace_is_dropped_while_something_could_create_a_pod() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.delete_cache()
    world.reconcile()
    assert world.reconcile() == []
    assert not world.find_drops()
    assert "Deployment photos-embark" in world.condition("KeyspaceDropped")["message"]


def test_a_job_that_outlives_the_cache_drops_the_keyspace_with_its_settings() -> None:
    world = DeletingWorld()
    world.reconcile()
    job = world.delete_until_drop()
    assert world.status["phase"] == "Deleting"
    assert world.condition("KeyspaceDropped")["reason"] == "Dropping"
    assert {body["kind"] for body in world.find_drops()} == {"ServiceAccount", "ConfigMap", "Job"}
    assert not any("ownerReferences" in body["metadata"] for body in world.find_drops())
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == ["python", "-m", "kfc.schema.drop"]
    (settings,) = world.find_drops(CONFIG_MAP)
    (account,) = world.find_drops(SERVICE_ACCOUNT)
    assert pod["serviceAccountName"] == settings["metadata"]["name"] == account["metadata"]["name"]
    parsed = DropSettings.model_validate_json(settings["data"]["settings.json"])
    assert parsed.scope is DropScope.CACHE
    assert parsed.kfc.store.cassandra.keyspace == "photos"
    assert world.reconcile() == []


def test_nothing_remains_once_the_keyspace_is_dropped() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.delete_until_drop()
    world.set_job("Complete")
    world.reconcile()
    assert world.cache is None
    assert not world.find_drops()
    assert world.events() == [("Normal", "PodsEnding"), ("Normal", "Dropping"), ("Normal", "Dropped")]


def test_a_failing_drop_reports_why_in_one_event_for_all_retries() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.delete_until_drop()
    for error in (STORE_AWAY, "topic: no answer in time", STORE_AWAY):
        world.fail_drop(error)
        world.reconcile()
        world.add_drop_pod({"running": {}})
        assert world.reconcile() == []
        assert world.result.requeue_after
        assert error in world.condition("KeyspaceDropped")["message"]
        assert "spec.store.deletionPolicy" in world.condition("KeyspaceDropped")["message"]
    assert world.guarded
    assert world.events().count(("Warning", "DropFailed")) == 1


def test_setting_retain_gives_up_the_drop_and_deletes_the_cache() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.delete_until_drop()
    world.fail_drop(STORE_AWAY)
    world.reconcile()
    world.apply_cache(store=RETAIN)
    world.reconcile()
    assert world.cache is None
    assert not world.find_drops()


def test_a_deleted_cache_whose_keyspace_is_kept_waits_for_nothing() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.add_pod("photos-kfc-1")
    world.delete_cache()
    world.apply_cache(store=RETAIN)
    assert world.reconcile() == ["finalizers photos"]
    assert world.cache is None


def test_a_corrected_spec_creates_another_job() -> None:
    world = DeletingWorld()
    world.reconcile()
    first = world.delete_until_drop()
    world.fail_drop(STORE_AWAY)
    world.reconcile()
    world.apply_cache(store=DELETE | {"cassandra": {"contactPoints": ["elsewhere"]}})
    world.reconcile()
    (second,) = world.find_drops(JOB)
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert world.condition("KeyspaceDropped")["reason"] == "Dropping"
    assert "elsewhere" in world.find_drops(CONFIG_MAP)[0]["data"]["settings.json"]


def test_a_failed_job_is_created_again() -> None:
    world = DeletingWorld()
    world.reconcile()
    first = world.delete_until_drop()
    world.set_job("Failed")
    world.reconcile()
    assert world.condition("KeyspaceDropped")["reason"] == "DropFailed"
    world.reconcile()
    (second,) = world.find_drops(JOB)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_shared_keyspace_is_kept_until_the_other_cache_is_deleted() -> None:
    world = DeletingWorld()
    other = {"apiVersion": world.cluster.objects[CACHE, *KEY]["apiVersion"], "kind": "EmbeddingCache"}
    spec = world.cluster.objects[CACHE, *KEY]["spec"]
    world.cluster.create({**other, "metadata": {"name": "twin", "namespace": KEY.namespace}, "spec": spec})
    world.reconcile()
    world.delete_cache()
    world.reconcile()
    world.terminate_pods()
    world.reconcile()
    assert not world.find_drops()
    assert "the cache twin" in world.condition("KeyspaceDropped")["message"]
    assert world.result.requeue_after
    world.cluster.edit(CACHE, KEY.namespace, "twin", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    world.reconcile()
    assert world.find_drops(JOB)


def test_a_paused_cache_is_deleted_like_any_other() -> None:
    world = DeletingWorld(paused=True)
    world.reconcile()
    assert world.guarded
    world.delete_until_drop()
    world.set_job("Complete")
    world.reconcile()
    assert world.cache is None


def test_a_deleted_cache_whose_spec_gives_no_job_reports_the_field() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.apply_cache(store=DELETE, kfc={"resources": {"requests": {"memory": "99999999Ti"}}})
    world.delete_cache()
    world.reconcile()
    assert "spec.kfc.resources.requests.memory" in world.condition("KeyspaceDropped")["message"]
    assert world.guarded


def test_a_foreign_object_with_the_name_of_a_drop_object_is_reported() -> None:
    world = DeletingWorld()
    world.reconcile()
    name = "photos-drop-keyspace"
    metadata = {"name": name, "namespace": KEY.namespace}
    world.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mine": "1"}})
    world.delete_cache()
    world.reconcile()
    world.terminate_pods()
    world.reconcile()
    assert world.cluster.objects[CONFIG_MAP, KEY.namespace, name]["data"] == {"mine": "1"}
    assert "already exists" in world.condition("KeyspaceDropped")["message"]
    assert "already exists" in world.result.failure


class Terminating(MemoryCluster):
    """A cluster whose namespace rejects new objects once it is deleted."""

    deleted = False

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        self._refuse(manifest)
        return super().apply(manifest, manager)

    def create(self, manifest: Manifest) -> Manifest:
        self._refuse(manifest)
        return super().create(manifest)

    def _refuse(self, manifest: Manifest) -> None:
        if self.deleted:
            raise ApiRefusedError(manifest["kind"], NAMESPACE_TERMINATING, "it is being terminated")


def test_deleting_a_namespace_deletes_the_cache_and_keeps_the_keyspace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Terminating()
    world = DeletingWorld(cluster)
    world.reconcile()
    world.delete_cache()
    cluster.deleted = True
    world.reconcile()
    world.terminate_pods()
    with caplog.at_level(logging.INFO):
        world.reconcile()
    assert world.cache is None
    assert "the keyspace is kept" in caplog.text


def test_drop_objects_are_deleted_if_the_finalizer_was_removed_by_force() -> None:
    world = DeletingWorld()
    world.reconcile()
    world.delete_until_drop()
    del world.cluster.objects[CACHE, *KEY]
    world.reconcile()
    assert not world.find_drops()


def test_a_new_cache_of_the_same_name_is_safe_from_the_job_of_its_predecessor() -> None:
    world = DeletingWorld()
    world.reconcile()
    job = world.delete_until_drop()
    del world.cluster.objects[CACHE, *KEY]
    world.apply_cache(store=DELETE)
    assert f"delete Job {job['metadata']['name']}" in world.reconcile()
    assert not world.find_drops()
    assert world.delete_until_drop()["metadata"]["name"] != job["metadata"]["name"]


class Cut(MemoryCluster):
    """A cluster whose connection is cut before or after its n-th write."""

    left = -1
    after = False

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        return self._cut(lambda: super(Cut, self).apply(manifest, manager))

    def create(self, manifest: Manifest) -> Manifest:
        return self._cut(lambda: super(Cut, self).create(manifest))

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        return self._cut(lambda: super(Cut, self).delete(kind, namespace, name, uid, foreground=foreground))

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        return self._cut(lambda: super(Cut, self).write_status(cache, status))

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        return self._cut(lambda: super(Cut, self).write_finalizers(cache, finalizers))

    def _cut(self, write: Callable[[], T]) -> T:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise UnavailableError("kubernetes", "cut")
        done = write()
        if self.left == 0:
            raise UnavailableError("kubernetes", "cut")
        return done


def _end(cluster: Cut, cut: int = -1, *, after: bool = False) -> list[str]:
    """Delete a cache with one cut on the way; return what was written."""
    world = DeletingWorld(cluster)
    world.reconcile()
    world.delete_cache()
    cluster.writes.clear()
    cluster.left, cluster.after = cut, after
    for _ in range(10):
        with suppress(UnavailableError):
            world.reconcile()
        world.terminate_pods()
        if world.find_drops(JOB):
            world.set_job("Complete")
    return cluster.writes


@pytest.mark.parametrize("after", [False, True])
def test_an_operator_stopped_at_any_write_of_a_deletion_drops_the_keyspace_once(
    after: bool,  # noqa: FBT001
) -> None:
    undisturbed = Cut()
    writes = _end(undisturbed)
    left = {place for place in undisturbed.objects if place[0] != EVENT}
    assert (CACHE, *KEY) not in left
    for cut in range(1, len(writes) + 1):
        cluster = Cut()
        written = _end(cluster, cut, after=after)
        assert {place for place in cluster.objects if place[0] != EVENT} == left
        jobs = [line for line in written if line.startswith("apply Job")]
        assert len(jobs) == 1, f"cut at {writes[cut - 1]}"
