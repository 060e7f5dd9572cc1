"""Every child that a cache should have; the root of the builders, called by reconcile."""

from collections.abc import Callable, Sequence

from embark.errors import InvalidSpecError
from embark.settings import FillingSettings, filling_settings_for, settings_for
from embark.space import space_of
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.serving import MeshProvider
from embark.spec.status import SpaceRecord
from embark_operator.kinds import JOB
from embark_operator.manifests.embark import build_embark
from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.retina import build_retina
from embark_operator.manifests.rollout_jobs import build_drop, build_reembed_job, build_verify_job
from embark_operator.names import Manifest
from embark_operator.options import Options
from embark_operator.rollouts.state import Rollout, RolloutPhase, cache_of, first_rollout

OovVector = Callable[[str], Sequence[float] | None]
"""Returns what the ConfigMap of spec.miss.oovVectorConfigMap holds for the space of that id."""


def build(
    cache: EmbeddingCache,
    uid: str,
    options: Options,
    rollout: Rollout | None = None,
    *,
    oov_vector: OovVector = lambda _: None,
) -> list[Manifest]:
    """Return the manifests of all children, in the order they are applied.

    `uid` is the cache's, for owner references; `rollout` None: the cache has the one space of its spec.

    Raises:
        InvalidSpecError: what only the operator can judge is wrong: the field is named.
    """
    _refuse_what_is_not_built(cache.spec)
    rollout = rollout or first_rollout(cache.spec.encoder)
    children = []
    for space in rollout.served:
        kfc, retina = _settings(cache, space)
        children += build_kfc(cache, uid, kfc, options.images)
        children += build_retina(cache, uid, retina, options.images)
    children += _build_jobs(cache, uid, options, rollout)
    previous = rollout.spaces.previous
    settings = settings_for(
        cache_of(cache, rollout.active),
        oov_vector=oov_vector(rollout.active.id),
        previous=space_of(previous.encoder) if previous else None,
    )
    return [*children, *build_embark(cache, uid, settings.embark, options.images)]


def _settings(cache: EmbeddingCache, space: SpaceRecord) -> FillingSettings:
    return filling_settings_for(cache_of(cache, space), source=space.source)


def _build_jobs(cache: EmbeddingCache, uid: str, options: Options, rollout: Rollout) -> list[Manifest]:
    images, attempt, spaces = options.images, rollout.status.attempt, rollout.spaces
    jobs = []
    if spaces.candidate:
        settings = _settings(cache, spaces.candidate).kfc
        if rollout.phase is RolloutPhase.REEMBEDDING:
            suspended = cache.spec.rollout.paused
            jobs.append(build_reembed_job(cache, uid, settings, images, attempt=attempt, suspended=suspended))
        if rollout.phase is RolloutPhase.VERIFYING:
            jobs.append(build_verify_job(cache, uid, settings, images, attempt=attempt))
    if spaces.dropped:
        drop = build_drop(cache, uid, _settings(cache, spaces.dropped).kfc, images)
        # Its settings from the start: they name the space, should the status be lost.
        jobs += [child for child in drop if spaces.dropped.released or child["kind"] != JOB.name]
    return jobs


def _refuse_what_is_not_built(spec: EmbeddingCacheSpec) -> None:
    """Refuse what this operator would leave undone in silence: a user may rely on it."""
    if spec.mesh.provider is not MeshProvider.NONE or spec.mesh.authorized_clients:
        raise InvalidSpecError("spec.mesh", "this operator configures no mesh, so nobody would be kept out")
