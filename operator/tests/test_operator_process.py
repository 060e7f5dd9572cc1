"""The operator's process on a real API server with controllers but without nodes, so that pods stay Pending."""

import json
from pathlib import Path
from typing import Any

import pytest

from embark_testing.api.namespaces import CacheNamespace
from embark_testing.api.operator_processes import operator
from embark_testing.eventually import eventually

pytestmark = pytest.mark.cluster
WAIT = 60.0
SOON = 10.0


@pytest.fixture
def options(namespace: CacheNamespace) -> tuple[str, ...]:
    """Return the options of an operator that reconciles only this namespace, with its lease in it."""
    return (f"--namespace={namespace.name}", f"--lease-namespace={namespace.name}", "--resync-seconds=1")


def test_a_cache_gets_its_children_and_reports_why_it_is_not_ready(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options):
        namespace.await_phase("photos", "Pending")
        assert "Deployment/photos-embark" in namespace.children()
        assert namespace.condition("photos", "Accepted")["status"] == "True"
        assert "photos-embark" in namespace.condition("photos", "EmbArkReady")["message"] or eventually(
            lambda: "not scheduled" in namespace.condition("photos", "EmbArkReady")["message"], WAIT, "the reason"
        )
        assert "Pending" in namespace.kubectl("describe", "embc", "photos")


def test_deleted_and_edited_children_are_restored_and_additions_by_others_stay(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options, "--resync-seconds=3600"):
        namespace.await_phase("photos", "Pending")
        namespace.kubectl("label", "deployment", "photos-embark", "team=ads")
        for place, body in namespace.children().items():
            namespace.kubectl("delete", place.lower(), "--wait=false")
            uid = body["metadata"]["uid"]
            eventually(
                lambda place=place, uid=uid: _uid(namespace, place) not in ("", uid),  # type: ignore[misc]
                SOON,
                f"{place} is back",
            )
        namespace.kubectl("label", "service", "photos-embark", "team=ads")
        patch = json.dumps({"spec": {"ports": [{"port": 50051, "name": "grpc", "targetPort": 1}]}})
        namespace.kubectl("patch", "service", "photos-embark", "--type=merge", f"--patch={patch}")
        eventually(lambda: "targetPort: 1\n" not in _yaml(namespace, "service"), SOON, "the edit is undone")
        assert namespace.get("service", "photos-embark")["metadata"]["labels"]["team"] == "ads"


def test_replicas_that_a_scaler_owns_are_not_changed(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options) as running:
        namespace.await_phase("photos", "Pending")
        running.await_rest()
        namespace.kubectl("scale", "deployment", "photos-embark", "--replicas=5")
        running.await_rest()
        assert namespace.get("deployment", "photos-embark")["spec"]["replicas"] == 5


def test_at_rest_nothing_is_written(namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options) as running:
        namespace.await_phase("photos", "Pending")
        written = running.await_rest()
        versions = _versions(namespace)
        passes = running.metric("embark_operator_passes_total")
        eventually(lambda: running.metric("embark_operator_passes_total") >= passes + 10, WAIT, "ten resyncs")
        assert (running.writes(), _versions(namespace)) == (written, versions)


def test_one_of_two_operators_writes_and_the_other_takes_over(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    with (
        operator(namespace.server.kubeconfig, tmp_path, *options) as first,
        operator(namespace.server.kubeconfig, tmp_path, *options) as second,
    ):
        eventually(lambda: first.leads() or second.leads(), WAIT, "one leads")
        active, standby = (first, second) if first.leads() else (second, first)
        namespace.apply("photos")
        namespace.await_phase("photos", "Pending")
        assert (active.writes() > 0, standby.writes(), standby.leads()) == (True, 0, False)
        assert active.terminate() == 0
        standby.await_leading()
        namespace.apply("titles")
        namespace.await_phase("titles", "Pending")


def test_an_invalid_cache_is_reported_and_the_next_edit_fixes_it(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos", miss={"oov": "Vector", "oovVectorConfigMap": "vectors"})
    with operator(namespace.server.kubeconfig, tmp_path, *options):
        eventually(lambda: namespace.condition("photos", "Accepted").get("status") == "False", WAIT, "a refusal")
        assert "spec.miss.oovVectorConfigMap" in namespace.condition("photos", "Accepted")["message"]
        assert namespace.children() == {}
        namespace.apply("photos", miss={"oov": "Zeros", "oovVectorConfigMap": ""})
        namespace.await_phase("photos", "Pending")


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_deleting_a_cache_deletes_its_children(
    cascade: str, namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options):
        namespace.await_phase("photos", "Pending")
        namespace.kubectl("delete", "embc", "photos", f"--cascade={cascade}", "--timeout=60s")
        eventually(lambda: not namespace.children(), WAIT, "no child is left")


def test_a_cache_can_be_deleted_without_an_operator(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    namespace.apply("photos")
    with operator(namespace.server.kubeconfig, tmp_path, *options):
        namespace.await_phase("photos", "Pending")
    namespace.kubectl("delete", "embc", "photos", "--timeout=60s")
    eventually(lambda: not namespace.children(), WAIT, "no child is left")


def _uid(namespace: CacheNamespace, place: str) -> str:
    body: dict[str, Any] = namespace.children().get(place, {"metadata": {}})
    return str(body["metadata"].get("uid", ""))


def _yaml(namespace: CacheNamespace, kind: str) -> str:
    return namespace.kubectl("get", kind, "photos-embark", "-o=yaml")


def _versions(namespace: CacheNamespace) -> dict[str, str]:
    bodies = namespace.children() | {"cache": namespace.get("embc", "photos")}
    return {place: _version(body) for place, body in bodies.items()}


def _version(body: dict[str, Any]) -> str:
    # The controller of autoscalers updates their status at any time; only the spec is ours.
    scaler = body["kind"] == "HorizontalPodAutoscaler"
    return json.dumps(body["spec"]) if scaler else str(body["metadata"]["resourceVersion"])


def test_caches_deleted_during_a_reconcile_disturb_no_other(
    namespace: CacheNamespace, options: tuple[str, ...], tmp_path: Path
) -> None:
    with operator(namespace.server.kubeconfig, tmp_path, *options) as running:
        running.await_leading()
        for number in range(10):
            namespace.apply(f"brief-{number}")
            namespace.kubectl("delete", "embc", f"brief-{number}", "--wait=false")
        namespace.apply("photos")
        namespace.await_phase("photos", "Pending")
        assert running.terminate() == 0
