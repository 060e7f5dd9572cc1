"""Deletes a cache together with its keyspace: first its pods, then the keyspace, then the finalizer.

Each reconcile takes the next step by what it finds. A cache without the finalizer is left to the garbage collector,
which follows the owner references. A paused cache is deleted like any other.

The objects that drop the keyspace are not owned by the cache: a deletion in the foreground would delete them at once.
"""

import logging
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from embark.errors import InvalidSpecError
from embark.manifest import parse_body
from embark.spec.status import Condition
from embark_operator.cluster.finalizers import drops_keyspace, is_deleted, is_guarded, release
from embark_operator.cluster.kinds import (
    AUTOSCALER,
    CACHE,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    POD,
    SERVICE_ACCOUNT,
    Child,
    is_owned,
)
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, ClusterReader, ConflictError
from embark_operator.cluster.writer import ChildWriter, delete_objects
from embark_operator.manifests.jobs import build_drop_keyspace
from embark_operator.names import CACHE_LABEL, COMPONENT_LABEL, DROP_KEYSPACE, Manifest, child_selector
from embark_operator.observe.pods import first_failure, is_true
from embark_operator.result import Key, ReconcileResult
from embark_operator.runtime import Runtime
from embark_operator.status.conditions import DROP_FAILED, KEYSPACE_DROPPED, Finding, Phase, deleting
from embark_operator.status.events import deletion_event
from embark_operator.status.report import parse_status, publish_status, report_deleting

_POD_OWNERS: Final = (DEPLOYMENT, JOB, AUTOSCALER)
_DROP_KINDS: Final = (SERVICE_ACCOUNT, CONFIG_MAP, JOB)
# Pods are not watched, but only they say why a drop does not complete.
_POLL: Final = timedelta(seconds=2)
_POLL_FAILED: Final = timedelta(seconds=15)
_MAX_NAMED: Final = 3


class Deletions:
    """Takes the next step of deleting a cache."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._cluster = runtime.cluster
        self._log = logging.getLogger(__name__)

    def advance(self, key: Key, body: Manifest | None) -> ReconcileResult:
        """Reconcile a cache whose deletion was requested, or that no longer exists; raises as Reconciler.reconcile."""
        if body is None or not is_guarded(body):
            return ReconcileResult(deleted=delete_objects(self._cluster, _find_drop(self._cluster, key).values()))
        if not drops_keyspace(body):
            return self._release(key, "spec.store.deletionPolicy is Retain, the keyspace is kept")
        reported = _reported(body)
        if reported and reported.status == "True":
            return self._release(key, reported.message)
        try:
            cache = parse_body({name: part for name, part in body.items() if name != "status"})
            wanted = build_drop_keyspace(cache, body["metadata"]["uid"], self._runtime.options.images)
        except InvalidSpecError as error:
            return self._report_failure(body, str(error))
        deleted, remaining = self._delete_pods(key, body["metadata"]["uid"])
        if remaining:
            message = f"the keyspace {_keyspace(body)} will be dropped when these have terminated: {remaining}"
            self._publish(body, deleting("PodsEnding", message))
            return ReconcileResult(deleted=deleted, phase=Phase.DELETING, requeue_after=_POLL)
        return self._drop(key, body, wanted)

    def undo(self, live: MutableMapping[Child, Manifest]) -> None:
        """Delete, also from `live`, what would drop the keyspace of an existing cache.

        It is left over from a cache of the same name whose finalizer was removed by force.
        """
        strays = [child for child, body in live.items() if _drops_any_keyspace(body)]
        delete_objects(self._cluster, [live.pop(child) for child in strays])

    def _delete_pods(self, key: Key, uid: str) -> tuple[tuple[str, ...], str]:
        """Delete what creates pods; return what was deleted, and which pods or their owners remain."""
        selector = child_selector(key.name)
        bodies = [body for kind in _POD_OWNERS for body in self._cluster.find(kind, key.namespace, selector)]
        owners = [body for body in bodies if is_owned(body, uid)]
        # In the foreground, each remains until its last pod is deleted, and creates no new one.
        deleted = delete_objects(self._cluster, owners, foreground=True)
        pods = [pod["metadata"]["name"] for pod in _find_pods(self._cluster, key) if not _drops_any_keyspace(pod)]
        names = [f"pod {name}" for name in pods] or [str(Child.from_manifest(owner)) for owner in owners]
        return deleted, ", ".join(names[:_MAX_NAMED]) + (" …" if len(names) > _MAX_NAMED else "")

    def _drop(self, key: Key, body: Manifest, wanted: Sequence[Manifest]) -> ReconcileResult:
        live = _find_drop(self._cluster, key)
        sharer = _find_sharer(self._cluster, body)
        if sharer:
            result = self._report_failure(body, f"the cache {sharer} uses it too")
            return replace(result, deleted=delete_objects(self._cluster, live.values()))
        writer = ChildWriter(self._cluster, live, partial(_drops_its_keyspace, key))
        try:
            writer.apply(wanted)
        except ConflictError:
            raise
        except ApiRefusedError as error:
            if error.reason == NAMESPACE_TERMINATING:
                return self._release(key, "its namespace is being deleted and takes no Job, the keyspace is kept")
            return replace(self._report_failure(body, str(error)), failure=str(error))
        keep = {Child.from_manifest(manifest) for manifest in wanted}
        deleted = delete_objects(self._cluster, [body for child, body in writer.live.items() if child not in keep])
        result = ReconcileResult(tuple(writer.written), deleted, Phase.DELETING, requeue_after=_POLL)
        return self._follow(key, body, writer.live[Child.from_manifest(wanted[-1])], result)

    def _follow(self, key: Key, body: Manifest, job: Manifest, result: ReconcileResult) -> ReconcileResult:
        """Report how far the Job is, and release the cache once it is complete."""
        keyspace, reported = f"the keyspace {_keyspace(body)}", _reported(body)
        if is_true(job, "Complete"):
            self._publish(body, deleting("Dropped", f"{keyspace} was dropped", dropped=True))
            return self._release(key, f"{keyspace} was dropped")
        if is_true(job, "Failed"):
            failed = self._report_failure(body, f"{Child.from_manifest(job)} failed")
            return replace(failed, deleted=delete_objects(self._cluster, [job]))
        why = first_failure(_find_pods(self._cluster, key), [job]).error
        if why:
            return replace(result, requeue_after=self._report_failure(body, why).requeue_after)
        # A pod that runs again has not succeeded yet: keep the reason of its last failure.
        if result.written or reported is None or reported.reason != DROP_FAILED:
            self._publish(body, deleting("Dropping", f"{keyspace} is being dropped by {Child.from_manifest(job)}"))
        return result

    def _report_failure(self, body: Manifest, why: str) -> ReconcileResult:
        next_step = "retrying; to keep it and delete only the cache, set spec.store.deletionPolicy to Retain"
        message = f"the keyspace {_keyspace(body)} was not dropped: {why}; {next_step}"
        self._publish(body, deleting(DROP_FAILED, message))
        return ReconcileResult(phase=Phase.DELETING, requeue_after=_POLL_FAILED)

    def _release(self, key: Key, why: str) -> ReconcileResult:
        """Remove the finalizer, after everything that the cache does not own."""
        deleted = delete_objects(self._cluster, _find_drop(self._cluster, key).values())
        body = self._cluster.read(CACHE, *key)  # again: publishing its status has changed it
        if body is not None and is_deleted(body) and is_guarded(body):
            release(self._cluster, body)
            self._log.info("released the cache for deletion: %s", why, extra={"cache": str(key)})
        return ReconcileResult(deleted=deleted, phase=Phase.DELETING)

    def _publish(self, body: Manifest, findings: Sequence[Finding]) -> None:
        before, now, reported = parse_status(body), self._runtime.now(), _reported(body)
        status = report_deleting(before, findings, body["metadata"].get("generation", 0), now)
        changed = reported is None or reported.reason != findings[0].reason
        events = [deletion_event(body, findings[0], now)] if changed else []
        publish_status(self._cluster, body, before, status, events)


def _reported(body: Manifest) -> Condition | None:
    """Return the condition about dropping the keyspace that the status has; None if it has none yet."""
    conditions = parse_status(body).conditions
    return next((condition for condition in conditions if condition.type == KEYSPACE_DROPPED), None)


def _find_drop(cluster: ClusterReader, key: Key) -> dict[Child, Manifest]:
    """Return the objects that drop the keyspace of a cache."""
    selector = f"{child_selector(key.name)},{COMPONENT_LABEL}={DROP_KEYSPACE}"
    bodies = [body for kind in _DROP_KINDS for body in cluster.find(kind, key.namespace, selector)]
    return {Child.from_manifest(body): body for body in bodies}


def _drops_any_keyspace(body: Manifest) -> bool:
    """Return whether an object, or a pod, drops the keyspace of a cache."""
    return bool(body["metadata"].get("labels", {}).get(COMPONENT_LABEL) == DROP_KEYSPACE)


def _drops_its_keyspace(key: Key, body: Manifest) -> bool:
    """Return whether an object drops the keyspace of that cache."""
    return _drops_any_keyspace(body) and bool(body["metadata"]["labels"].get(CACHE_LABEL) == key.name)


def _find_pods(cluster: ClusterReader, key: Key) -> Sequence[Manifest]:
    """Return every pod of a cache, by name."""
    pods = cluster.find(POD, key.namespace, f"{CACHE_LABEL}={key.name}")
    return sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))


def _find_sharer(cluster: ClusterReader, body: Manifest) -> str:
    """Return another cache of the namespace that has the same keyspace and is not deleted; empty if there is none."""
    others = cluster.find(CACHE, body["metadata"]["namespace"])
    sharers = [other["metadata"]["name"] for other in others if not is_deleted(other) and _share_keyspace(body, other)]
    return next(iter(sorted(sharers)), "")


def _keyspace(body: Manifest) -> str:
    name: str = body["spec"]["store"]["cassandra"]["keyspace"]
    return name


def _share_keyspace(body: Manifest, other: Manifest) -> bool:
    mine, its = (cache["spec"]["store"]["cassandra"] for cache in (body, other))
    return bool(mine["keyspace"] == its["keyspace"] and not set(mine["contactPoints"]).isdisjoint(its["contactPoints"]))
