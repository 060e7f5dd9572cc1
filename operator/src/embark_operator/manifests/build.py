"""Every child that a cache should have; the root of the builders, called by reconcile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from embark.errors import InvalidSpecError
from embark.rollout.state import RolloutPhase, RolloutState, cache_for_space, initial_rollout
from embark.settings import FillingSettings, filling_settings_for, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.serving import MeshProvider, Retina
from embark.spec.status import SpaceRecord
from embark_operator.cluster.apis import NO_APIS, Apis
from embark_operator.cluster.kinds import CERTIFICATE, JOB, SCALED_OBJECT
from embark_operator.manifests.children import Component
from embark_operator.manifests.embark import build_embark
from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.kfc_scaling import ScalerKind, choose_scaler
from embark_operator.manifests.meshes import build_mesh
from embark_operator.manifests.network_policies import build_network_policies
from embark_operator.manifests.retina import build_retina
from embark_operator.manifests.retina_scaling import build_retina_scaling
from embark_operator.manifests.rollout_jobs import build_drop, build_reembed_job, build_verify_job
from embark_operator.manifests.scaling import zero_replica_fields
from embark_operator.manifests.tls import build_certificate, needs_certificate
from embark_operator.names import Manifest
from embark_operator.options import Options

OovVector = Callable[[str], Sequence[float] | None]
"""Returns what the ConfigMap of spec.miss.oovVectorConfigMap holds for the space of that id."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What of the cluster decides how a cache's children look."""

    apis: Apis = NO_APIS
    held_at: Mapping[str, int] = field(default_factory=dict)
    """By space: how many replicas a KFC has whose Retina is saturated."""


@dataclass(frozen=True, slots=True)
class ChildSet:
    """What a cache should have."""

    manifests: list[Manifest]
    """In the order they are applied."""
    missing_apis: tuple[str, ...] = ()
    """APIs that the spec's mesh needs and the cluster does not serve."""
    missing_certificates: tuple[str, ...] = ()
    """The same of the spec's Certificate."""
    kfc_scaler: ScalerKind = ScalerKind.NONE
    missing_scalers: tuple[str, ...] = ()
    """The same of what goes down to no replicas, where the spec asks for that."""


def build(
    cache: EmbeddingCache,
    uid: str,
    options: Options,
    rollout: RolloutState | None = None,
    surroundings: ClusterState | None = None,
    *,
    oov_vector: OovVector = lambda _: None,
) -> ChildSet:
    """Return all children of a cache.

    `uid` is the cache's, for owner references; `rollout` None: the cache has the one space of its spec.

    Raises:
        InvalidSpecError: what only the operator can judge is wrong: the field is named.
    """
    _refuse_what_is_not_built(cache.spec)
    rollout = rollout or initial_rollout(cache.spec.encoder)
    around = surroundings or ClusterState()
    previous = rollout.spaces.previous
    settings = settings_for(
        cache_for_space(cache, rollout.active),
        oov_vector=oov_vector(rollout.active.id),
        previous=Space.from_encoder(previous.encoder) if previous else None,
    )
    spaces = [space.id for space in rollout.served]
    mesh = build_mesh(cache, uid, around.apis, spaces)
    manifests = [
        *build_certificate(cache, uid, around.apis),
        *(
            child
            for space in rollout.served
            for child in _build_filling(cache, uid, options, rollout, space=space, around=around)
        ),
        *_build_jobs(cache, uid, options, rollout),
        *build_embark(cache, uid, settings.embark, options.images),
        *mesh.manifests,
        *_build_policies(cache, uid, options, rollout),
    ]
    uncertified = around.apis.lack(CERTIFICATE) if needs_certificate(cache) else ()
    kept_up = around.apis.lack(SCALED_OBJECT) if zero_replica_fields(cache.spec) else ()
    return ChildSet(manifests, mesh.missing, uncertified, choose_scaler(cache.spec.kfc, around.apis), kept_up)


def _build_filling(
    cache: EmbeddingCache,
    uid: str,
    options: Options,
    rollout: RolloutState,
    *,
    space: SpaceRecord,
    around: ClusterState,
) -> list[Manifest]:
    kfc, retina = _settings(cache, space)
    idle = space.id != rollout.active.id
    filled = rollout.spaces.candidate is not None and space.id == rollout.spaces.candidate.id

    def scaling(component: Component, spec: Retina) -> Sequence[Manifest]:
        return build_retina_scaling(component, spec, kfc, around.apis, idle=idle, needed=filled)

    return [
        *build_kfc(
            cache,
            uid,
            kfc,
            options.images,
            apis=around.apis,
            idle=idle,
            # Before the switch, the lags of two spaces are compared; without a pod none is told.
            watched=rollout.phase is RolloutPhase.VERIFYING,
            held_at=around.held_at.get(space.id),
        ),
        *build_retina(cache, uid, retina, options.images, scaling),
    ]


def _build_policies(cache: EmbeddingCache, uid: str, options: Options, rollout: RolloutState) -> list[Manifest]:
    dropped = rollout.spaces.dropped
    connected = [*rollout.served, *([dropped] if dropped else [])]
    encoders = {space.id: space.encoder for space in connected}
    return build_network_policies(cache, uid, [*encoders], operator_namespace=options.namespace, encoders=encoders)


def _settings(cache: EmbeddingCache, space: SpaceRecord) -> FillingSettings:
    return filling_settings_for(cache_for_space(cache, space), source=space.source)


def _build_jobs(cache: EmbeddingCache, uid: str, options: Options, rollout: RolloutState) -> list[Manifest]:
    images, attempt, spaces = options.images, rollout.status.attempt, rollout.spaces
    jobs: list[Manifest] = []
    if spaces.candidate:
        settings = _settings(cache, spaces.candidate).kfc
        if rollout.phase is RolloutPhase.REEMBEDDING:
            suspended = cache.spec.rollout.paused
            jobs += build_reembed_job(cache, uid, settings, images, attempt=attempt, suspended=suspended)
        if rollout.phase is RolloutPhase.VERIFYING:
            jobs += build_verify_job(cache, uid, settings, images, attempt=attempt)
    if spaces.dropped:
        drop = build_drop(cache, uid, _settings(cache, spaces.dropped).kfc, images)
        # Its settings from the start: they name the space, should the status be lost.
        jobs += [child for child in drop if spaces.dropped.released or child["kind"] != JOB.name]
    return jobs


def _refuse_what_is_not_built(spec: EmbeddingCacheSpec) -> None:
    """Refuse what this operator would leave undone in silence: a user may rely on it."""
    if spec.mesh.authorized_clients and spec.mesh.provider is MeshProvider.NONE:
        message = "nobody would be kept out without a mesh; name a provider"
        raise InvalidSpecError("spec.mesh.authorizedClients", message)
