"""Makes a cache's children what its spec says, and its status what they are.

Parse, build, apply, prune, observe, advance the rollout, tell.

One pass looks at the cluster as it is and at nothing else, so it does not matter which event began it, how many were
missed, or whether the pass before it ended half-way. A pass that finds nothing to change writes nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from embark.errors import InvalidSpecError
from embark.manifest import parse_body
from embark.rollout.advance import advance
from embark.rollout.state import RolloutState, next_check
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.apis import API_VERSIONS, Apis
from embark_operator.cluster.applying import apply_children
from embark_operator.cluster.finalizers import guard, is_deleted
from embark_operator.cluster.kinds import (
    CACHE,
    CHILD_KINDS,
    CONFIG_MAP,
    FOREIGN_KINDS,
    Child,
    child_of,
    is_owned,
)
from embark_operator.cluster.protocol import ApiRefusedError, Cluster
from embark_operator.deletion.deletions import Deletions
from embark_operator.manifests.build import ChildSet, ClusterState, build
from embark_operator.manifests.scaling import zero_replica_fields
from embark_operator.names import Manifest, child_selector
from embark_operator.observe.observe import observe
from embark_operator.observe.restore import restore
from embark_operator.observe.services import Services
from embark_operator.options import Options
from embark_operator.result import Key, ReconcileResult
from embark_operator.scalers import (
    is_scaler,
    keep_replicas_on_handover,
    remove,
    remove_conflicting_scalers,
    saturation_caps,
)
from embark_operator.status.conditions import (
    Finding,
    certified,
    failed,
    find_conditions,
    meshed,
    refused,
    scales_to_zero,
)
from embark_operator.status.events import phase_event, rollout_event
from embark_operator.status.publish import publish_status
from embark_operator.status.report import parse_status, report, report_refused

_VECTOR_FIELD: Final = "spec.miss.oovVectorConfigMap"


class Reconciler:
    """Reconciles any cache of one cluster; each cache by one caller at a time."""

    def __init__(self, cluster: Cluster, services: Services, options: Options, utc: Callable[[], datetime]) -> None:
        self._cluster: Final = cluster
        self._services: Final = services
        self._options: Final = options
        self._utc: Final = utc
        self._deletions: Final = Deletions(cluster, options, utc)

    def reconcile(self, key: Key) -> ReconcileResult:
        """Make one pass.

        Raises:
            UnavailableError: the API server does not answer.
            NotLeaderError: another operator holds the lease.
            ConflictError: the cache was changed meanwhile.
        """
        body = self._cluster.read(CACHE, *key)
        if body is None or is_deleted(body):
            return self._deletions.advance(key, body)
        body = guard(self._cluster, body)
        before = parse_status(body)
        try:
            cache = parse_body({name: part for name, part in body.items() if name != "status"})
            cache = cache.model_copy(update={"status": before})
            apis = self._cluster.served(API_VERSIONS)
            live = self._children(cache, apis)
            self._deletions.undo(live)
            rollout = restore(cache, before, live, self._utc())
            wanted = build(
                cache,
                body["metadata"]["uid"],
                self._options,
                rollout,
                ClusterState(apis, saturation_caps(cache, rollout, live)),
                oov_vector=lambda space: self._oov_vector(cache, space),
            )
        except InvalidSpecError as error:
            return self._refuse(body, before, error)
        return self._carry_out(body, cache, rollout, wanted, live)

    def _carry_out(
        self,
        body: Manifest,
        cache: EmbeddingCache,
        rollout: RolloutState,
        wanted: ChildSet,
        live: dict[Child, Manifest],
    ) -> ReconcileResult:
        written: list[str] = []
        deleted: list[str] = []
        failure = ""
        try:
            if not cache.spec.paused:
                remove_conflicting_scalers(self._cluster, body["metadata"]["uid"], wanted.manifests, live, deleted)
                self._apply(body["metadata"]["uid"], wanted.manifests, live, written)
                self._prune(body["metadata"]["uid"], wanted.manifests, live, deleted)
            observed = observe(cache, rollout, live, self._cluster, self._services)
            if not cache.spec.paused:
                rollout = advance(rollout, cache, observed.rollout, self._utc())
            findings = find_conditions(observed, rollout, _others(cache, wanted), _notes(cache, wanted))
        except ApiRefusedError as error:
            observed, failure = None, str(error)
            findings = failed(failure)
        status = report(cache, rollout, findings, observed, self._utc(), kfc_scaler=wanted.kfc_scaler)
        self._tell(body, cache.status, status)
        again = None if cache.spec.paused else next_check(rollout, self._utc())
        return ReconcileResult(tuple(written), tuple(deleted), status.phase, failure, again)

    def _children(self, cache: EmbeddingCache, apis: Apis) -> dict[Child, Manifest]:
        metadata = cache.metadata
        selector = child_selector(metadata.name)
        kinds = (*CHILD_KINDS, *(kind for kind in FOREIGN_KINDS if apis.has(kind.api_version, kind.name)))
        found = [child for kind in kinds for child in self._cluster.find(kind, metadata.namespace, selector)]
        return {child_of(child): child for child in found}

    def _apply(self, uid: str, wanted: Sequence[Manifest], live: dict[Child, Manifest], written: list[str]) -> None:
        for scaler in wanted:
            if is_scaler(scaler) and child_of(scaler) not in live:
                keep_replicas_on_handover(self._cluster, scaler, live)
        apply_children(self._cluster, wanted, live, lambda there: is_owned(there, uid), written)

    def _prune(self, uid: str, wanted: Sequence[Manifest], live: dict[Child, Manifest], deleted: list[str]) -> None:
        keep = {child_of(manifest) for manifest in wanted}
        gone = [child for child, body in live.items() if child not in keep and is_owned(body, uid)]
        for child in sorted(gone, key=_prune_order):
            remove(self._cluster, child, live, deleted)

    def _refuse(self, body: Manifest, before: EmbeddingCacheStatus, error: InvalidSpecError) -> ReconcileResult:
        generation = body["metadata"].get("generation", 0)
        status = report_refused(before, refused(str(error)), generation, self._utc())
        self._tell(body, before, status)
        return ReconcileResult(phase=status.phase)

    def _tell(self, body: Manifest, before: EmbeddingCacheStatus, status: EmbeddingCacheStatus) -> None:
        publish_status(self._cluster, body, before, status, self._events(body, before, status))

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


def _others(cache: EmbeddingCache, wanted: ChildSet) -> Sequence[Finding]:
    """Return the findings about what others' APIs are for."""
    return (*meshed(cache, wanted.missing_apis), *certified(wanted.missing_certificates))


def _notes(cache: EmbeddingCache, wanted: ChildSet) -> Sequence[Finding]:
    return scales_to_zero(zero_replica_fields(cache.spec), wanted.missing_scalers)


def _prune_order(child: Child) -> int:
    """Return the place of a child among those that go: kinds of others' APIs in reverse, see FOREIGN_KINDS."""
    return -FOREIGN_KINDS.index(child.kind) if child.kind in FOREIGN_KINDS else 1


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
