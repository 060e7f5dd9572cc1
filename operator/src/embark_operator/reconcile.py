"""Makes a cache's children what its spec says, and its status what they are.

Parse, build, apply, prune, observe, advance the rollout, tell.

One pass looks at the cluster as it is and at nothing else, so it does not matter which event began it, how many were
missed, or whether the pass before it ended half-way. A pass that finds nothing to change writes nothing.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import ValidationError

from embark.crd import parse_body
from embark.errors import InvalidSpecError
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster import Cluster, ConflictError, RefusedError
from embark_operator.conditions import failed, find_conditions, refused
from embark_operator.differences import differs
from embark_operator.events import phase_event, rollout_event
from embark_operator.kinds import AUTOSCALER, CACHE, CHILD_KINDS, CONFIG_MAP, DEPLOYMENT, Child, child_of
from embark_operator.manifests.build import build
from embark_operator.names import HANDOVER, Manifest, child_selector
from embark_operator.observe import observe
from embark_operator.options import Options
from embark_operator.rollouts.advance import advance
from embark_operator.rollouts.restore import restore
from embark_operator.rollouts.state import Rollout, next_look
from embark_operator.services import Services
from embark_operator.statuses import dump, report, report_refused

_VECTOR_FIELD: Final = "spec.miss.oovVectorConfigMap"


class Key(NamedTuple):
    """Which cache."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`, as messages say it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass did."""

    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    phase: str = ""
    failure: str = ""
    """What has to be tried again soon; empty: nothing."""
    again: timedelta | None = None
    """When a pass is due that no event may ask for: a rollout is under way. None: at the next event."""


class Reconciler:
    """Reconciles any cache of one cluster; each cache by one caller at a time."""

    def __init__(self, cluster: Cluster, services: Services, options: Options, utc: Callable[[], datetime]) -> None:
        self._cluster: Final = cluster
        self._services: Final = services
        self._options: Final = options
        self._utc: Final = utc
        self._log: Final = logging.getLogger(__name__)

    def reconcile(self, key: Key) -> Pass:
        """Make one pass.

        Raises:
            UnavailableError: the API server does not answer.
            NotLeaderError: another operator holds the lease.
            ConflictError: the cache was changed meanwhile.
        """
        body = self._cluster.read(CACHE, *key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return Pass()  # the garbage collector follows the owner references
        before = _parse_status(body)
        try:
            cache = parse_body({name: part for name, part in body.items() if name != "status"})
            cache = cache.model_copy(update={"status": before})
            live = self._children(cache)
            rollout = restore(cache, before, live, self._utc())
            wanted = build(
                cache,
                body["metadata"]["uid"],
                self._options,
                rollout,
                oov_vector=lambda space: self._oov_vector(cache, space),
            )
        except InvalidSpecError as error:
            return self._refuse(body, before, error)
        return self._carry_out(body, cache, rollout, wanted, live)

    def _carry_out(
        self,
        body: Manifest,
        cache: EmbeddingCache,
        rollout: Rollout,
        wanted: Sequence[Manifest],
        live: dict[Child, Manifest],
    ) -> Pass:
        written: list[str] = []
        deleted: list[str] = []
        failure = ""
        try:
            if not cache.spec.paused:
                self._apply(body["metadata"]["uid"], wanted, live, written)
                self._prune(body["metadata"]["uid"], wanted, live, deleted)
            observed = observe(cache, rollout, live, self._cluster, self._services)
            if not cache.spec.paused:
                rollout = advance(rollout, cache, observed.rollout, self._utc())
            findings = find_conditions(observed, rollout)
        except RefusedError as error:
            observed, failure = None, str(error)
            findings = failed(failure)
        status = report(cache, rollout, findings, observed, self._utc())
        self._tell(body, cache.status, status)
        again = None if cache.spec.paused else next_look(rollout, self._utc())
        return Pass(tuple(written), tuple(deleted), status.phase, failure, again)

    def _children(self, cache: EmbeddingCache) -> dict[Child, Manifest]:
        metadata = cache.metadata
        selector = child_selector(metadata.name)
        found = [child for kind in CHILD_KINDS for child in self._cluster.find(kind, metadata.namespace, selector)]
        return {child_of(child): child for child in found}

    def _apply(self, uid: str, wanted: Sequence[Manifest], live: dict[Child, Manifest], written: list[str]) -> None:
        for scaler in wanted:
            if scaler["kind"] == AUTOSCALER.name and child_of(scaler) not in live:
                self._hand_over(scaler, live)
        for manifest in wanted:
            child = child_of(manifest)
            there = live.get(child) or self._cluster.read(child.kind, manifest["metadata"]["namespace"], child.name)
            if there is not None and not _is_owned(there, uid):
                message = f"{child} is there already and does not belong to this cache; delete or rename it"
                raise RefusedError(str(child), "NotOurs", message)
            if there is None or differs(manifest, there):
                live[child] = self._cluster.apply(manifest)
                written.append(str(child))
            else:
                live[child] = there

    def _hand_over(self, scaler: Manifest, live: Mapping[Child, Manifest]) -> None:
        """Keep the replicas of a scaler's Deployment as they are when the operator lets go of them.

        A field that its last manager leaves out falls back to its default, and that is one replica.
        """
        target = live.get(Child(DEPLOYMENT, scaler["spec"]["scaleTargetRef"]["name"]))
        if target and target["spec"].get("replicas", 1) > 1:
            place = {name: target["metadata"][name] for name in ("name", "namespace")}
            replicas = {"replicas": target["spec"]["replicas"]}
            kept = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "metadata": place, "spec": replicas}
            self._cluster.apply(kept, HANDOVER)

    def _prune(self, uid: str, wanted: Sequence[Manifest], live: dict[Child, Manifest], deleted: list[str]) -> None:
        keep = {child_of(manifest) for manifest in wanted}
        for child in [child for child, body in live.items() if child not in keep and _is_owned(body, uid)]:
            metadata = live.pop(child)["metadata"]
            if not metadata.get("deletionTimestamp"):
                self._cluster.delete(child.kind, metadata["namespace"], child.name, metadata["uid"])
                deleted.append(str(child))

    def _refuse(self, body: Manifest, before: EmbeddingCacheStatus, error: InvalidSpecError) -> Pass:
        generation = body["metadata"].get("generation", 0)
        status = report_refused(before, refused(str(error)), generation, self._utc())
        self._tell(body, before, status)
        return Pass(phase=status.phase)

    def _tell(self, body: Manifest, before: EmbeddingCacheStatus, status: EmbeddingCacheStatus) -> None:
        if status == before and "status" in body:
            return
        self._cluster.write_status(body, dump(status))
        for event in self._events(body, before, status):
            with suppress(ConflictError):  # it has been told
                self._cluster.create(event)

    def _events(self, body: Manifest, before: EmbeddingCacheStatus, status: EmbeddingCacheStatus) -> Iterator[Manifest]:
        if status.rollout.phase != before.rollout.phase:
            yield rollout_event(body, status, self._utc())
        if status.phase not in (before.phase, status.rollout.phase):
            yield phase_event(body, status, self._utc())

    def _oov_vector(self, cache: EmbeddingCache, space: str) -> Sequence[float] | None:
        name = cache.spec.miss.oov_vector_config_map
        if not name:
            return None
        config_map = self._cluster.read(CONFIG_MAP, cache.metadata.namespace, name)
        if config_map is None:
            raise InvalidSpecError(_VECTOR_FIELD, f"there is no ConfigMap {name}")
        return _read_vector(name, config_map.get("data", {}), space)


def _parse_status(body: Manifest) -> EmbeddingCacheStatus:
    try:
        return EmbeddingCacheStatus.model_validate_json(json.dumps(body.get("status", {})), by_alias=True)
    except ValidationError:
        return EmbeddingCacheStatus()  # somebody else wrote it; it is written anew


def _read_vector(name: str, data: Mapping[str, str], space: str) -> Sequence[float]:
    """Return the vector of a space: under the space's id, for a rollout to another dimension, or under `vector`."""
    key = space if space in data else "vector"
    try:
        return [float(element) for element in json.loads(data[key])]
    except KeyError:
        message = f"ConfigMap {name} has no key `vector`, and none for space {space}"
        raise InvalidSpecError(_VECTOR_FIELD, message) from None
    except (TypeError, ValueError):
        raise InvalidSpecError(_VECTOR_FIELD, f"ConfigMap {name}: `{key}` is no JSON list of numbers") from None


def _is_owned(body: Manifest, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences", ()))
