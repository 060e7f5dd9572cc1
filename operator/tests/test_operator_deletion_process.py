"""Deleting a cache together with its keyspace, on a real API server with controllers and no nodes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embark_operator.cluster.finalizers import FINALIZER
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.api.operator_processes import operator
from embark_testing.eventually import eventually
from embark_testing.worlds.deleted_caches import DELETE

pytestmark = pytest.mark.cluster
WAIT = 60.0
DROP = "-l=app.kubernetes.io/component=drop-keyspace"


@pytest.fixture
def deleting(namespace: CacheNamespace, tmp_path: Path) -> Iterator[CacheNamespace]:
    """A namespace whose only cache has `deletionPolicy: Delete`, and is at rest."""
    lease = ("--lease-namespace=default", f"--lease-name={namespace.name}")  # the namespace may be deleted
    options = (f"--namespace={namespace.name}", *lease, "--resync-seconds=1")
    with operator(namespace.server.kubeconfig, tmp_path, *options):
        namespace.apply("photos", store=DELETE)
        namespace.await_phase("photos", "Pending")
        assert _finalizers(namespace) == [FINALIZER]
        yield namespace
    for cache in _caches(namespace):  # a failed test leaves it, and its finalizer would block the namespace
        name = cache["metadata"]["name"]
        namespace.kubectl("patch", "embc", name, "--type=merge", '--patch={"metadata": {"finalizers": null}}')


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_the_job_is_created_once_all_pods_are_deleted_and_the_cache_is_deleted_once_it_is_done(
    deleting: CacheNamespace, cascade: str
) -> None:
    deleting.kubectl("delete", "embc", "photos", f"--cascade={cascade}", "--wait=false")
    (job,) = eventually(lambda: _items(deleting, "jobs", DROP), WAIT, "the Job is created")
    assert "ownerReferences" not in job["metadata"]
    assert not _items(deleting, "deployments")
    (pod,) = eventually(lambda: _items(deleting, "pods"), WAIT, "its pod")
    assert pod["metadata"]["labels"]["job-name"] == job["metadata"]["name"]
    assert deleting.condition("photos", "KeyspaceDropped")["reason"] == "Dropping"
    done = json.dumps({"status": {"phase": "Succeeded"}})
    name = pod["metadata"]["name"]
    deleting.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={done}")
    eventually(lambda: not _caches(deleting), WAIT, "the cache is deleted")
    eventually(lambda: not _items(deleting, "jobs,configmaps,serviceaccounts,pods", DROP), WAIT, "nothing is left")
    reasons = {event["reason"] for event in _items(deleting, "events")}
    assert {"Dropping", "Dropped"} <= reasons


def test_setting_retain_gives_up_the_drop_and_deletes_the_cache(deleting: CacheNamespace) -> None:
    deleting.kubectl("delete", "embc", "photos", "--wait=false")
    eventually(lambda: _items(deleting, "jobs", DROP), WAIT, "the Job is created")
    keep = json.dumps({"spec": {"store": {"deletionPolicy": "Retain"}}})
    deleting.kubectl("patch", "embc", "photos", "--type=merge", f"--patch={keep}")
    eventually(lambda: not _caches(deleting), WAIT, "the cache is deleted")
    eventually(lambda: not _items(deleting, "jobs,configmaps,serviceaccounts,pods", DROP), WAIT, "nothing is left")


def test_a_namespace_is_deleted_together_with_its_cache(deleting: CacheNamespace) -> None:
    server = deleting.server
    server.kubectl("delete", "namespace", deleting.name, "--timeout=60s")
    server.kubectl("create", "namespace", deleting.name)  # for the fixture to delete


def _items(namespace: CacheNamespace, *arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = namespace.get(*arguments)["items"]
    return items


def _caches(namespace: CacheNamespace) -> list[dict[str, Any]]:
    return _items(namespace, "embc")


def _finalizers(namespace: CacheNamespace) -> list[str]:
    finalizers: list[str] = namespace.get("embc", "photos")["metadata"].get("finalizers", [])
    return finalizers
