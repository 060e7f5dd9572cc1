from datetime import timedelta

import pytest

from embark.errors import UnavailableError
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import CACHE, CHILD_KINDS, CONFIG_MAP, DEPLOYMENT, EVENT, JOB, SERVICE, Kind
from embark_operator.cluster.protocol import ApiRefusedError
from embark_operator.names import FIELD_MANAGER, Manifest
from embark_testing.worlds.memory_cluster import MemoryCluster
from embark_testing.worlds.reconciled_caches import KEY, World


def test_the_first_reconcile_creates_every_child_and_the_second_writes_nothing() -> None:
    world = World()
    first = world.reconcile()
    assert {kind for kind, _ in world.children()} == {kind.name for kind in CHILD_KINDS}
    assert first[-2:] == ["status photos", first[-1]]
    assert first[-1].startswith("create Event photos.")
    assert world.reconcile() == []


def test_a_ready_cache_at_rest_is_not_written_to() -> None:
    world = World()
    world.reconcile()
    world.make_ready()
    world.reconcile()
    world.now += timedelta(hours=1)
    assert world.reconcile() == []


def test_deleted_and_edited_children_are_restored() -> None:
    world = World()
    world.reconcile()
    before = {place: body["spec"] for place, body in world.children().items() if "spec" in body}
    service = world.child(SERVICE, "embark")["metadata"]["name"]
    deployment = world.child(DEPLOYMENT, "embark")["metadata"]["name"]
    world.cluster.objects.pop((SERVICE, "default", service))
    world.cluster.edit(DEPLOYMENT, "default", deployment, {"spec": {"template": {"spec": {"containers": []}}}})
    assert sorted(world.reconcile()) == [f"apply Deployment {deployment}", f"apply Service {service}"]
    assert {place: body["spec"] for place, body in world.children().items() if "spec" in body} == before


def test_labels_and_annotations_added_by_others_stay_and_cause_no_write() -> None:
    world = World()
    world.reconcile()
    name = world.child(DEPLOYMENT, "embark")["metadata"]["name"]
    added = {"labels": {"team": "ads"}, "annotations": {"note": "ours"}}
    world.cluster.edit(DEPLOYMENT, "default", name, {"metadata": added})
    assert world.reconcile() == []
    assert world.child(DEPLOYMENT, "embark")["metadata"]["labels"]["team"] == "ads"


def test_unwanted_children_are_pruned_and_foreign_objects_stay() -> None:
    world = World()
    world.reconcile()
    scalers = [name for kind, name in world.children() if kind == "HorizontalPodAutoscaler"]
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "default"}}
    stranger["metadata"]["labels"] = dict(world.child(CONFIG_MAP, "embark")["metadata"]["labels"])  # type: ignore[index]
    world.cluster.create(stranger)
    world.apply_cache(embark={"replicas": 3}, kfc={"replicas": 1}, retina={"replicas": 2})
    written = world.reconcile()
    assert sorted(line for line in written if line.startswith("delete")) == [
        f"delete HorizontalPodAutoscaler {name}" for name in sorted(scalers)
    ]
    assert ("ConfigMap", "mine") in world.children()


def test_replicas_are_kept_when_a_scaler_takes_them_over() -> None:
    world = World(embark={"replicas": 5})
    world.reconcile()
    world.apply_cache(embark={"autoscaling": {"min": 2}})
    world.reconcile()
    world.apply_cache(embark={"autoscaling": {"min": 2}, "readTimeout": "70ms"})
    assert "apply Deployment photos-embark" in world.reconcile()
    assert world.child(DEPLOYMENT, "embark")["spec"]["replicas"] == 5


def test_a_foreign_object_with_the_name_of_a_child_is_not_changed_and_named() -> None:
    world = World()
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "photos-embark", "namespace": "default"}}
    world.cluster.create(theirs)
    world.reconcile()
    assert "ownerReferences" not in world.cluster.objects[SERVICE, "default", "photos-embark"]["metadata"]
    assert "Service photos-embark already exists" in world.condition("Ready")["message"]
    assert world.result.failure


def test_an_invalid_spec_reports_its_field_and_leaves_the_children_unchanged() -> None:
    world = World()
    world.reconcile()
    children = world.children()
    world.apply_cache(miss={"oov": "Vector", "oovVectorConfigMap": "vectors"})
    world.reconcile()
    assert world.status["phase"] == "Invalid"
    assert world.condition("Accepted")["status"] == "False"
    assert (
        "spec.miss.oovVectorConfigMap: the ConfigMap vectors does not exist" in world.condition("Accepted")["message"]
    )
    assert world.children() == children


@pytest.mark.parametrize("data", [{}, {"vector": "no"}, {"vector": "[1, 2]"}, {"vector": "{}"}])
def test_an_invalid_oov_vector_is_rejected_by_field(data: dict[str, str]) -> None:
    world = World(miss={"oov": "Vector", "oovVectorConfigMap": "vectors"})
    metadata = {"name": "vectors", "namespace": "default"}
    world.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    world.reconcile()
    assert "spec.miss.oovVectorConfigMap" in world.condition("Accepted")["message"]


def test_the_children_of_a_paused_cache_do_not_change() -> None:
    world = World()
    world.reconcile()
    world.apply_cache(paused=True, embark={"replicas": 3})  # type: ignore[arg-type]
    assert {line.split()[0] for line in world.reconcile()} == {"status", "create"}
    assert world.status["phase"] == "Paused"


def test_a_cache_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    world = World()
    world.cluster.edit(CACHE, *KEY, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert world.reconcile() == []


def test_the_status_has_readiness_counts_and_transition_times() -> None:
    world = World()
    world.reconcile()
    assert world.condition("Ready")["status"] == "False"
    assert world.status["phase"] == "Pending"
    world.make_ready()
    world.now += timedelta(minutes=1)
    world.reconcile()
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("Ready")["lastTransitionTime"] == "2026-01-01T00:01:00Z"
    assert world.condition("Accepted")["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    counted = {"hitRatio": "0.7500", "hitPercent": "75.0", "oovRatio": "0.2500", "entries": 7, "encodeSeconds": ""}
    assert world.status["cache"] == counted
    assert (world.status["topic"]["lag"], world.status["topic"]["deadLettered"]) == (5, 2)
    assert world.status["endpoint"] == "photos-embark.default:50051"


def test_only_changes_of_phase_create_events() -> None:
    world = World()
    world.reconcile()
    world.make_ready()
    world.now += timedelta(minutes=1)
    world.reconcile()
    world.now += timedelta(minutes=1)
    world.reconcile()
    events = [body["reason"] for (kind, _, _), body in world.cluster.objects.items() if kind == EVENT]
    assert events == ["Pending", "Ready"]


def add_failed_schema_pod(world: World, message: str) -> None:
    job = world.child(JOB, "schema")["metadata"]["name"]
    ended = {"state": {"terminated": {"exitCode": 1, "message": message}}}
    metadata = {"name": "schema-1", "namespace": "default", "labels": {"embark.dev/cache": "photos", "job-name": job}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [ended]}}
    world.cluster.create(pod)


def test_a_schema_job_that_fails_reports_which_server_and_why() -> None:
    world = World()
    world.reconcile()
    error = UnavailableError("topic", "photos.fills: no answer in time")
    add_failed_schema_pod(world, TerminationMessage.from_error(error).to_json())
    world.reconcile()
    assert (world.condition("StoreReady")["status"], world.condition("TopicReady")["status"]) == ("True", "False")
    assert world.condition("TopicReady")["message"] == str(error)


def test_the_last_line_of_a_crashed_job_is_its_error() -> None:
    world = World()
    world.reconcile()
    add_failed_schema_pod(world, "Traceback (most recent call last):\nMemoryError: out of memory\n")
    world.reconcile()
    assert world.condition("StoreReady")["message"] == "MemoryError: out of memory"


def test_a_refused_child_is_named_and_retried() -> None:
    class Full(MemoryCluster):
        def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
            if manifest["kind"] == "Deployment":
                raise ApiRefusedError(f"Deployment {manifest['metadata']['name']}", "Forbidden", "exceeded quota")
            return super().apply(manifest, manager)

    world = World(Full())
    world.reconcile()
    assert "exceeded quota" in world.result.failure
    assert "exceeded quota" in world.condition("Ready")["message"]


class Cut(MemoryCluster):
    """A cluster whose connection is cut before or after its n-th write."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1
        self.after = False

    def _store(self, place: tuple[Kind, str, str], body: Manifest) -> Manifest:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise UnavailableError("kubernetes", "cut")
        stored = super()._store(place, body)
        if self.left == 0:
            raise UnavailableError("kubernetes", "cut")
        return stored


@pytest.mark.parametrize("after", [False, True])
def test_an_operator_stopped_at_any_write_reaches_the_same_state_and_repeats_no_write(
    after: bool,  # noqa: FBT001
) -> None:
    undisturbed = World(Cut())
    writes = undisturbed.reconcile()
    for cut in range(1, sum(line.startswith("apply") for line in writes) + 1):
        cluster = Cut()
        world = World(cluster)
        cluster.left, cluster.after = cut, after
        with pytest.raises(UnavailableError):
            world.reconcile()
        done = [line for line in cluster.writes if line.startswith("apply")]
        cluster.left = -1
        again = [line for line in world.reconcile() if line.startswith("apply")]
        assert len(done) + len(again) == sum(line.startswith("apply") for line in writes) + (not after)
        assert {place: body.get("spec") for place, body in world.children().items()} == {
            place: body.get("spec") for place, body in undisturbed.children().items()
        }
