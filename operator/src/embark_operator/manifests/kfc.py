"""The children of the KFC of one space; called by `build`."""

from embark.settings import KfcSettings
from embark.spec import EmbeddingCache
from embark_operator.cluster.apis import NO_APIS, Apis
from embark_operator.manifests.children import Component
from embark_operator.manifests.config_maps import build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.deployments import build_deployment
from embark_operator.manifests.jobs import build_schema_job
from embark_operator.manifests.kfc_scaling import build_kfc_scaler
from embark_operator.manifests.resources import KFC, build_resources
from embark_operator.manifests.services import build_account
from embark_operator.manifests.volumes import secret_arguments, secret_mounts, tls_mounts
from embark_operator.names import Manifest, kfc_name
from embark_operator.options import Images


def build_kfc(
    cache: EmbeddingCache,
    uid: str,
    settings: KfcSettings,
    images: Images,
    *,
    apis: Apis = NO_APIS,
    idle: bool = False,
    watched: bool = False,
    held_at: int | None = None,
) -> list[Manifest]:
    """Return account, settings, schema Job, Deployment and scaler.

    `idle`: no look-up waits for its space; `watched`: a rollout waits for its lag; `held_at`: see kfc_bounds.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    space_id = settings.space.id
    component = Component(cache, uid, "kfc", kfc_name(cache, space_id), space_id)
    spec = cache.spec.kfc
    scaler = build_kfc_scaler(component, spec, settings, apis, idle=idle, watched=watched, held_at=held_at)
    mounts = secret_mounts(settings.store.cassandra, settings.topic.kafka)
    process = Process(
        image=images.kfc,
        pull_policy=images.pull_policy,
        module="kfc",
        resources=build_resources("spec.kfc", spec.resources, KFC),
        mounts=(*mounts, *tls_mounts(cache)),
        arguments=secret_arguments(mounts),
        listen=settings.listen,
    )
    return [
        build_account(component),
        build_config_map(component, settings),
        build_schema_job(cache, uid, settings, images),
        build_deployment(component, process, images, settings_hash=settings_hash(settings), replicas=spec.replicas),
        *scaler.manifests,
    ]
