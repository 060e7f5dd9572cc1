"""The children of the Retina of one space."""

from typing import Final

from embark.errors import InvalidSpecError
from embark.settings import FillingSettings
from embark.spec import Provider
from embark.spec.serving import Gpu
from embark_operator.manifests.config_maps import build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.deployments import build_deployment
from embark_operator.manifests.resources import RETINA, build_resources
from embark_operator.manifests.retina_scaling import build_retina_scaling
from embark_operator.manifests.services import build_account, build_headless_service
from embark_operator.manifests.volumes import MODELS, MODELS_FOLDER, tls_mounts
from embark_operator.names import Manifest, retina_name
from embark_operator.options import Images

# Enough to download a model of two gigabytes over a slow line, and to run it for the first time.
_STARTUP_SECONDS: Final = 900


def build_retina(context: BuildContext, filling: FillingSettings) -> list[Manifest]:
    """Return account, settings, Service, Deployment, scaler and disruption budget of a space's Retina.

    Raises:
        InvalidSpecError: the operator has no image for the provider, or a field of spec.retina is invalid.
    """
    cache, images, settings = context.cache, context.images, filling.retina
    space_id = settings.space.id
    component = context.component("retina", retina_name(cache, space_id), space_id)
    spec = cache.spec.retina
    process = Process(
        image=_image(settings.provider, images),
        pull_policy=images.pull_policy,
        module="retina",
        resources=build_resources("spec.retina", spec.resources, RETINA, _gpu(settings.provider, spec.gpu)),
        mounts=(MODELS, *tls_mounts(cache)),
        arguments=("--models", MODELS_FOLDER),
        listen=settings.listen,
        serves_grpc=True,
        startup_seconds=_STARTUP_SECONDS,
    )
    return [
        build_account(component),
        build_config_map(component, settings),
        build_headless_service(component, settings.listen),
        build_deployment(component, process, images, settings_hash=settings_hash(settings), replicas=spec.replicas),
        *build_retina_scaling(component, filling.kfc, context.apis, context.space_use(space_id)),
    ]


def _image(provider: Provider, images: Images) -> str:
    if provider is Provider.CPU:
        return images.retina
    if not images.retina_cuda:
        message = "this operator has no Retina image for provider cuda; start it with --retina-cuda-image"
        raise InvalidSpecError("spec.encoder.provider", message)
    return images.retina_cuda


def _gpu(provider: Provider, gpu: Gpu) -> Gpu:
    if gpu.count and provider is not Provider.CUDA:
        raise InvalidSpecError("spec.retina.gpu.count", f"GPUs require provider cuda; the provider is {provider}")
    return gpu
