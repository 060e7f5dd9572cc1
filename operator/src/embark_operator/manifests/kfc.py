"""The children of the KFC of one space."""

from embark.settings import KfcSettings
from embark_operator.manifests.config_maps import build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.deployments import build_deployment
from embark_operator.manifests.jobs import build_schema_job
from embark_operator.manifests.kfc_scaling import build_kfc_scaler
from embark_operator.manifests.resources import KFC, build_resources
from embark_operator.manifests.services import build_account
from embark_operator.manifests.volumes import secret_arguments, secret_mounts, tls_mounts
from embark_operator.names import Manifest, kfc_name


def build_kfc(context: BuildContext, settings: KfcSettings) -> list[Manifest]:
    """Return account, settings, schema Job, Deployment and scaler of the KFC with these settings.

    Raises:
        InvalidSpecError: spec.kfc.resources is invalid.
    """
    cache, images, space_id = context.cache, context.images, settings.space.id
    component = context.component("kfc", kfc_name(cache, space_id), space_id)
    spec = cache.spec.kfc
    scaler = build_kfc_scaler(component, settings, context.apis, context.space_use(space_id))
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
        build_schema_job(context, settings),
        build_deployment(component, process, images, settings_hash=settings_hash(settings), replicas=spec.replicas),
        *scaler.manifests,
    ]
