"""Builds every child that a cache should have."""

from dataclasses import dataclass

from embark.errors import InvalidSpecError
from embark.rollout.state import RolloutPhase, cache_for_space
from embark.settings import FillingSettings, filling_settings_for, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.serving import MeshProvider
from embark.spec.status import SpaceRecord
from embark_operator.cluster.kinds import CERTIFICATE, JOB, SCALED_OBJECT
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.embark import build_embark
from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.kfc_scaling import ScalerKind, choose_scaler
from embark_operator.manifests.meshes import MeshedCache, build_mesh
from embark_operator.manifests.network_policies import build_network_policies
from embark_operator.manifests.retina import build_retina
from embark_operator.manifests.rollout_jobs import build_drop, build_reembed_job, build_verify_job
from embark_operator.manifests.scaling import zero_replica_fields
from embark_operator.manifests.tls import build_certificate, needs_certificate
from embark_operator.names import Manifest


@dataclass(frozen=True, slots=True)
class ChildSet:
    """The children that a cache should have, and what the cluster lacks for the others."""

    manifests: tuple[Manifest, ...]
    """In the order of applying."""
    missing_apis: tuple[str, ...] = ()
    """APIs that the spec's mesh needs and the cluster does not serve, as `<API version> <kind>`."""
    missing_certificates: tuple[str, ...] = ()
    """The same for the spec's Certificate."""
    kfc_scaler: ScalerKind = ScalerKind.NONE
    missing_scalers: tuple[str, ...] = ()
    """The same for scaling to zero, if the spec allows that."""


def build(context: BuildContext) -> ChildSet:
    """Return all children of a cache.

    Raises:
        InvalidSpecError: a field is invalid for this operator, though it is valid by itself; the error names it.
    """
    cache, rollout, apis = context.cache, context.rollout, context.apis
    _reject_unprotected(cache.spec)
    previous = rollout.spaces.previous
    settings = settings_for(
        cache_for_space(cache, rollout.active),
        oov_vector=context.oov_vector,
        previous=Space.from_encoder(previous.encoder) if previous else None,
    )
    mesh = build_mesh(MeshedCache(cache, context.uid, context.served_spaces), apis)
    return ChildSet(
        manifests=(
            *build_certificate(context),
            *(child for space in rollout.served for child in _build_filling(context, space)),
            *_build_jobs(context),
            *build_embark(context, settings.embark),
            *mesh.manifests,
            *_build_policies(context),
        ),
        missing_apis=mesh.missing,
        missing_certificates=apis.missing(CERTIFICATE) if needs_certificate(cache) else (),
        kfc_scaler=choose_scaler(cache.spec.kfc, apis),
        missing_scalers=apis.missing(SCALED_OBJECT) if zero_replica_fields(cache.spec) else (),
    )


def _build_filling(context: BuildContext, space: SpaceRecord) -> list[Manifest]:
    settings = _settings(context.cache, space)
    return [*build_kfc(context, settings.kfc), *build_retina(context, settings)]


def _build_policies(context: BuildContext) -> list[Manifest]:
    dropped = context.rollout.spaces.dropped
    connected = [*context.rollout.served, *([dropped] if dropped else [])]
    encoders = {space.id: space.encoder for space in connected}
    return build_network_policies(context.cache, context.uid, encoders, context.options.namespace)


def _settings(cache: EmbeddingCache, space: SpaceRecord) -> FillingSettings:
    return filling_settings_for(cache_for_space(cache, space), source=space.source)


def _build_jobs(context: BuildContext) -> list[Manifest]:
    cache, phase, spaces = context.cache, context.rollout.phase, context.rollout.spaces
    jobs: list[Manifest] = []
    if spaces.candidate:
        settings = _settings(cache, spaces.candidate).kfc
        if phase is RolloutPhase.REEMBEDDING:
            jobs += build_reembed_job(context, settings)
        if phase is RolloutPhase.VERIFYING:
            jobs += build_verify_job(context, settings)
    if spaces.dropped:
        drop = build_drop(context, _settings(cache, spaces.dropped).kfc)
        # Its settings exist from the start: they name the space, should the status be lost.
        jobs += [child for child in drop if spaces.dropped.released or child["kind"] != JOB.name]
    return jobs


def _reject_unprotected(spec: EmbeddingCacheSpec) -> None:
    """Reject authorized clients without a mesh: users may rely on a protection that nothing would enforce."""
    if spec.mesh.authorized_clients and spec.mesh.provider is MeshProvider.NONE:
        message = "without a mesh, all clients could call EmbArk; set spec.mesh.provider"
        raise InvalidSpecError("spec.mesh.authorizedClients", message)
