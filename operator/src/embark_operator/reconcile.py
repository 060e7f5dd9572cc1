"""Reconciles a cache: parse, build, apply, prune, observe, advance the rollout, publish the status.

A reconcile depends only on the state of the cluster. It does not matter which event caused it, how many events were
missed, or whether the previous reconcile was interrupted. A reconcile that finds nothing to change writes nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from embark.errors import InvalidSpecError
from embark.manifest import parse_body
from embark.rollout.advance import advance
from embark.rollout.state import next_check
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.apis import API_VERSIONS, Apis
from embark_operator.cluster.finalizers import guard, is_deleted
from embark_operator.cluster.kinds import CACHE, CHILD_KINDS, CONFIG_MAP, FOREIGN_KINDS, Child, is_owned
from embark_operator.cluster.protocol import ApiRefusedError
from embark_operator.cluster.scalers import keep_replicas_on_handover, remove_conflicting_scalers
from embark_operator.cluster.writer import ChildWriter
from embark_operator.deletion.deletions import Deletions
from embark_operator.manifests.build import ChildSet, build
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.scaling import zero_replica_fields
from embark_operator.names import Manifest, child_selector
from embark_operator.observe.observe import observe
from embark_operator.observe.restore import restore
from embark_operator.observe.saturation import saturation_caps
from embark_operator.result import Key, ReconcileResult
from embark_operator.runtime import Runtime
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
from embark_operator.status.report import parse_status, publish_status, report, report_refused

_VECTOR_FIELD: Final = "spec.miss.oovVectorConfigMap"


class Reconciler:
    """Reconciles the caches of one cluster; each cache by one caller at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._cluster = runtime.cluster
        self._deletions = Deletions(runtime)

    def reconcile(self, key: Key) -> ReconcileResult:
        """Reconcile one cache.

        Raises:
            UnavailableError: the API server does not answer.
            NotLeaderError: another operator holds the lease.
            ConflictError: the cache was changed since it was read.
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
            live = self._find_children(cache, apis)
            self._deletions.undo(live)
            rollout = restore(cache, before, live, self._runtime.now())
            context = BuildContext(
                cache=cache,
                uid=body["metadata"]["uid"],
                options=self._runtime.options,
                rollout=rollout,
                apis=apis,
                saturation_caps=saturation_caps(cache, rollout, live),
                oov_vector=self._read_oov_vector(cache, rollout.active.id),
            )
            children = build(context)
        except InvalidSpecError as error:
            return self._refuse(body, before, error)
        return self._reconcile_children(body, context, children, live)

    def _reconcile_children(
        self, body: Manifest, context: BuildContext, children: ChildSet, live: Mapping[Child, Manifest]
    ) -> ReconcileResult:
        cache, rollout = context.cache, context.rollout
        writer = ChildWriter(self._cluster, live, partial(is_owned, uid=context.uid))
        failure = ""
        try:
            if not cache.spec.paused:
                remove_conflicting_scalers(writer, context.uid, children.manifests)
                keep_replicas_on_handover(writer, children.manifests)
                writer.apply(children.manifests)
                _prune(writer, context.uid, children.manifests)
            observed = observe(cache, rollout, writer.live, self._cluster, self._runtime.services)
            if not cache.spec.paused:
                rollout = advance(rollout, cache, observed.rollout, self._runtime.now())
            findings = find_conditions(observed, rollout, _required(cache, children), _optional(cache, children))
        except ApiRefusedError as error:
            observed, failure = None, str(error)
            findings = failed(failure)
        now = self._runtime.now()
        status = report(cache, rollout, findings, observed, now, kfc_scaler=children.kfc_scaler)
        self._publish(body, cache.status, status)
        return ReconcileResult(
            written=tuple(writer.written),
            deleted=tuple(writer.deleted),
            phase=status.phase,
            failure=failure,
            requeue_after=None if cache.spec.paused else next_check(rollout, self._runtime.now()),
        )

    def _find_children(self, cache: EmbeddingCache, apis: Apis) -> dict[Child, Manifest]:
        metadata = cache.metadata
        selector = child_selector(metadata.name)
        kinds = (*CHILD_KINDS, *(kind for kind in FOREIGN_KINDS if apis.has(kind.api_version, kind.name)))
        bodies = [body for kind in kinds for body in self._cluster.find(kind, metadata.namespace, selector)]
        return {Child.from_manifest(body): body for body in bodies}

    def _refuse(self, body: Manifest, before: EmbeddingCacheStatus, error: InvalidSpecError) -> ReconcileResult:
        generation = body["metadata"].get("generation", 0)
        status = report_refused(before, refused(str(error)), generation, self._runtime.now())
        self._publish(body, before, status)
        return ReconcileResult(phase=status.phase)

    def _publish(self, body: Manifest, before: EmbeddingCacheStatus, status: EmbeddingCacheStatus) -> None:
        publish_status(self._cluster, body, before, status, self._events(body, before, status))

    def _events(self, body: Manifest, before: EmbeddingCacheStatus, status: EmbeddingCacheStatus) -> Iterator[Manifest]:
        if status.rollout.phase != before.rollout.phase:
            yield rollout_event(body, status, self._runtime.now())
        if status.phase not in (before.phase, status.rollout.phase):
            yield phase_event(body, status, self._runtime.now())

    def _read_oov_vector(self, cache: EmbeddingCache, space: str) -> Sequence[float] | None:
        name = cache.spec.miss.oov_vector_config_map
        if not name:
            return None
        config_map = self._cluster.read(CONFIG_MAP, cache.metadata.namespace, name)
        if config_map is None:
            raise InvalidSpecError(_VECTOR_FIELD, f"the ConfigMap {name} does not exist")
        return _parse_vector(name, config_map.get("data", {}), space)


def _prune(writer: ChildWriter, uid: str, wanted: Sequence[Manifest]) -> None:
    keep = {Child.from_manifest(manifest) for manifest in wanted}
    unwanted = [child for child, body in writer.live.items() if child not in keep and is_owned(body, uid)]
    for child in sorted(unwanted, key=_prune_order):
        writer.delete(child)


def _prune_order(child: Child) -> int:
    """Return the sort key of a child to prune: foreign kinds first, in the reverse order of FOREIGN_KINDS."""
    return -FOREIGN_KINDS.index(child.kind) if child.kind in FOREIGN_KINDS else 1


def _required(cache: EmbeddingCache, children: ChildSet) -> Sequence[Finding]:
    """Return the findings about foreign APIs that the cache cannot be Ready without."""
    return (*meshed(cache, children.missing_apis), *certified(children.missing_certificates))


def _optional(cache: EmbeddingCache, children: ChildSet) -> Sequence[Finding]:
    return scales_to_zero(zero_replica_fields(cache.spec), children.missing_scalers)


def _parse_vector(name: str, data: Mapping[str, str], space: str) -> Sequence[float]:
    """Return the OOV vector of a space: under the space's id, for a rollout to another dimension, or under `vector`."""
    key = space if space in data else "vector"
    try:
        return [float(element) for element in json.loads(data[key])]
    except KeyError:
        message = f"the ConfigMap {name} has neither the key {space} nor the key `vector`"
        raise InvalidSpecError(_VECTOR_FIELD, message) from None
    except (TypeError, ValueError):
        raise InvalidSpecError(_VECTOR_FIELD, f"ConfigMap {name}: `{key}` is not a JSON list of numbers") from None
