"""The children of EmbArk, the lookup server."""

from embark.settings import EmbArkSettings
from embark.spec.autoscaling import CpuAutoscaling
from embark_operator.manifests.config_maps import build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.deployments import build_deployment
from embark_operator.manifests.resources import build_resources, check_hot_tier, default_embark_requests
from embark_operator.manifests.scaling import build_scaling
from embark_operator.manifests.services import build_account, build_headless_service, build_service
from embark_operator.manifests.volumes import secret_arguments, secret_mounts, tls_mounts
from embark_operator.names import Manifest, embark_headless_name, embark_name


def build_embark(context: BuildContext, settings: EmbArkSettings) -> list[Manifest]:
    """Return account, settings, Services, Deployment, autoscaler and disruption budget.

    Raises:
        InvalidSpecError: spec.embark.resources is invalid, or the OOV vector is too large.
    """
    cache = context.cache
    component = context.component("embark", embark_name(cache))
    spec = cache.spec.embark
    autoscaling = None if spec.replicas is not None else spec.autoscaling or CpuAutoscaling()
    return [
        build_account(component),
        build_config_map(component, settings),
        build_service(component, settings.listen),
        build_headless_service(component, settings.listen, embark_headless_name(cache)),
        build_deployment(
            component,
            _process(context, settings),
            context.images,
            settings_hash=settings_hash(settings),
            replicas=spec.replicas,
        ),
        *build_scaling(component, spec.replicas, autoscaling),
    ]


def _process(context: BuildContext, settings: EmbArkSettings) -> Process:
    cache, images = context.cache, context.images
    hot_tier_bytes = settings.serving.hot_tier.max_bytes
    resources = cache.spec.embark.resources
    check_hot_tier(resources, hot_tier_bytes)
    mounts = secret_mounts(settings.store.cassandra, settings.topic.kafka)
    return Process(
        image=images.embark,
        pull_policy=images.pull_policy,
        module="embark_server",
        resources=build_resources("spec.embark", resources, default_embark_requests(hot_tier_bytes)),
        mounts=(*mounts, *tls_mounts(cache)),
        arguments=secret_arguments(mounts),
        listen=settings.listen,
        serves_grpc=True,
    )
