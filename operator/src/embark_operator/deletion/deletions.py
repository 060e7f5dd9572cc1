"""Ends a deleted cache whose keyspace goes with it: its pods first, then the keyspace, then the finalizer.

reconcile calls it. As everywhere, a pass looks at what is there and takes the next step. A cache without the finalizer
is left to the garbage collector, which follows the owner references; one that is paused ends as any other.
"""

import logging
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from embark.errors import InvalidSpecError
from embark.manifest import parse_body
from embark.spec.status import Condition
from embark_operator.cluster.applying import apply_children, delete
from embark_operator.cluster.finalizers import drops_keyspace, is_deleted, is_guarded, release
from embark_operator.cluster.kinds import AUTOSCALER, CACHE, DEPLOYMENT, JOB, Child, child_of, is_owned
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, Cluster, ConflictError
from embark_operator.deletion.keyspaces import (
    drops_any,
    drops_of,
    find_drop,
    find_pods,
    find_sharer,
    keyspace_of,
)
from embark_operator.manifests.jobs import build_drop_keyspace
from embark_operator.names import Manifest, child_selector
from embark_operator.observe.pods import first_failure, is_true
from embark_operator.options import Options
from embark_operator.result import Key, ReconcileResult
from embark_operator.status.conditions import DROP_FAILED, KEYSPACE_DROPPED, Finding, Phase, deleting
from embark_operator.status.events import deletion_event
from embark_operator.status.publish import publish_status
from embark_operator.status.report import parse_status, report_deleting

# What pods are made by.
_STARTERS: Final = (DEPLOYMENT, JOB, AUTOSCALER)
# Pods are not watched, and it is they who say what keeps a drop from its end.
_LOOK: Final = timedelta(seconds=2)
_LOOK_FAILED: Final = timedelta(seconds=15)
_NAMED: Final = 3


class Deletions:
    """Takes the next step of a cache's end."""

    def __init__(self, cluster: Cluster, options: Options, utc: Callable[[], datetime]) -> None:
        self._cluster: Final = cluster
        self._options: Final = options
        self._utc: Final = utc
        self._log: Final = logging.getLogger(__name__)

    def advance(self, key: Key, body: Manifest | None) -> ReconcileResult:
        """Make a pass over a cache that is deleted, or gone; raises as Reconciler.reconcile."""
        if body is None or not is_guarded(body):
            return ReconcileResult(deleted=delete(self._cluster, find_drop(self._cluster, key).values()))
        if not drops_keyspace(body):
            return self._let_go(key, "spec.store.deletionPolicy is Retain, and the keyspace is kept")
        told = _told(body)
        if told and told.status == "True":
            return self._let_go(key, told.message)
        try:
            cache = parse_body({name: part for name, part in body.items() if name != "status"})
            wanted = build_drop_keyspace(cache, body["metadata"]["uid"], self._options.images)
        except InvalidSpecError as error:
            return self._fail(body, str(error))
        ended, waits = self._end_pods(key, body["metadata"]["uid"])
        if waits:
            message = f"the keyspace {keyspace_of(body)} is dropped once all that works on it has ended: {waits}"
            self._tell(body, deleting("PodsEnding", message))
            return ReconcileResult(deleted=ended, phase=Phase.DELETING, again=_LOOK)
        return self._drop(key, body, wanted)

    def undo(self, live: MutableMapping[Child, Manifest]) -> None:
        """Stop what would drop the keyspace of a cache that is not deleted: its finalizer was taken by force."""
        strays = [child for child, body in live.items() if drops_any(body)]
        delete(self._cluster, [live.pop(child) for child in strays])

    def _end_pods(self, key: Key, uid: str) -> tuple[tuple[str, ...], str]:
        """Return what was deleted, and what is there still."""
        selector = child_selector(key.name)
        found = [body for kind in _STARTERS for body in self._cluster.find(kind, key.namespace, selector)]
        starters = [body for body in found if is_owned(body, uid)]
        # In the foreground: each is there until its last pod is gone, and no new pod is made of it.
        deleted = delete(self._cluster, starters, foreground=True)
        pods = [pod["metadata"]["name"] for pod in find_pods(self._cluster, key) if not drops_any(pod)]
        there = [f"pod {name}" for name in pods] or [str(child_of(starter)) for starter in starters]
        return deleted, ", ".join(there[:_NAMED]) + (" …" if len(there) > _NAMED else "")

    def _drop(self, key: Key, body: Manifest, wanted: Sequence[Manifest]) -> ReconcileResult:
        live, written = find_drop(self._cluster, key), list[str]()
        sharer = find_sharer(self._cluster, body)
        if sharer:
            made = self._fail(body, f"it is that of the cache {sharer} too")
            return replace(made, deleted=delete(self._cluster, live.values()))
        try:
            apply_children(self._cluster, wanted, live, lambda there: drops_of(key, there), written)
        except ConflictError:
            raise
        except ApiRefusedError as error:
            if error.reason == NAMESPACE_TERMINATING:
                return self._let_go(key, "its namespace is deleted, where no Job can be made: the keyspace is kept")
            return replace(self._fail(body, str(error)), failure=str(error))
        keep = {child_of(manifest) for manifest in wanted}
        deleted = delete(self._cluster, [there for child, there in live.items() if child not in keep])
        made = ReconcileResult(tuple(written), deleted, Phase.DELETING, again=_LOOK)
        return self._follow(key, body, live[child_of(wanted[-1])], made)

    def _follow(self, key: Key, body: Manifest, job: Manifest, made: ReconcileResult) -> ReconcileResult:
        """Return the pass `made`, which goes on by what the Job is seen to have done."""
        keyspace, told = f"the keyspace {keyspace_of(body)}", _told(body)
        if is_true(job, "Complete"):
            self._tell(body, deleting("Dropped", f"{keyspace} is dropped", dropped=True))
            return self._let_go(key, f"{keyspace} is dropped")
        if is_true(job, "Failed"):
            return replace(self._fail(body, f"{child_of(job)} failed"), deleted=delete(self._cluster, [job]))
        why = first_failure(find_pods(self._cluster, key), [job]).error
        if why:
            return replace(made, again=self._fail(body, why).again)
        # A pod that is at work again has not succeeded yet: what it said last stays.
        if made.written or told is None or told.reason != DROP_FAILED:
            self._tell(body, deleting("Dropping", f"{keyspace} is being dropped by {child_of(job)}"))
        return made

    def _fail(self, body: Manifest, why: str) -> ReconcileResult:
        goes_on = "it is tried again; to keep it and let the cache go, set spec.store.deletionPolicy to Retain"
        message = f"the keyspace {keyspace_of(body)} is not dropped: {why}; {goes_on}"
        self._tell(body, deleting(DROP_FAILED, message))
        return ReconcileResult(phase=Phase.DELETING, again=_LOOK_FAILED)

    def _let_go(self, key: Key, why: str) -> ReconcileResult:
        """Take the finalizer away, after everything that the cache does not own."""
        deleted = delete(self._cluster, find_drop(self._cluster, key).values())
        body = self._cluster.read(CACHE, *key)  # which has changed where its status was told
        if body is not None and is_deleted(body) and is_guarded(body):
            release(self._cluster, body)
            self._log.info("the cache may go: %s", why, extra={"cache": str(key)})
        return ReconcileResult(deleted=deleted, phase=Phase.DELETING)

    def _tell(self, body: Manifest, findings: Sequence[Finding]) -> None:
        before, now, told = parse_status(body), self._utc(), _told(body)
        status = report_deleting(before, findings, body["metadata"].get("generation", 0), now)
        is_news = told is None or told.reason != findings[0].reason
        publish_status(self._cluster, body, before, status, [deletion_event(body, findings[0], now)] if is_news else [])


def _told(body: Manifest) -> Condition | None:
    """Return what was told of the keyspace's end; None: nothing yet."""
    conditions = parse_status(body).conditions
    return next((condition for condition in conditions if condition.type == KEYSPACE_DROPPED), None)
