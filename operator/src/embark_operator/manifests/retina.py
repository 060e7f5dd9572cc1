"""The children of the Retina of one space; called by `build`."""

from collections.abc import Callable, Sequence
from typing import Final

from embark.errors import InvalidSpecError
from embark.settings import RetinaSettings
from embark.spec import EmbeddingCache, Provider
from embark.spec.serving import Gpu, Retina
from embark_operator.manifests.children import Component
from embark_operator.manifests.config_maps import build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.deployments import build_deployment
from embark_operator.manifests.resources import RETINA, build_resources
from embark_operator.manifests.services import build_account, build_headless_service
from embark_operator.manifests.volumes import MODELS, MODELS_FOLDER, tls_mounts
from embark_operator.names import Manifest, retina_name
from embark_operator.options import Images

Scaling = Callable[[Component, Retina], Sequence[Manifest]]
"""Makes the scaler and the disruption budget of a Retina."""

# A model of two gigabytes over a slow line, and its first runs.
_STARTUP_SECONDS: Final = 900


def build_retina(
    cache: EmbeddingCache,
    uid: str,
    settings: RetinaSettings,
    images: Images,
    scaling: Scaling,
) -> list[Manifest]:
    """Return account, settings, Service, Deployment, scaler and disruption budget.

    `scaling` makes the last two.

    Raises:
        InvalidSpecError: there is no image for the provider, or a field of spec.retina is none that can be run with.
    """
    space_id = settings.space.id
    component = Component(cache, uid, "retina", retina_name(cache, space_id), space_id)
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
    deployment = build_deployment(
        component,
        process,
        images,
        settings_hash=settings_hash(settings),
        replicas=spec.replicas,
    )
    return [
        build_account(component),
        build_config_map(component, settings),
        build_headless_service(component, settings.listen),
        deployment,
        *scaling(component, spec),
    ]


def _image(provider: Provider, images: Images) -> str:
    if provider is Provider.CPU:
        return images.retina
    if not images.retina_cuda:
        raise InvalidSpecError("spec.encoder.provider", "cuda, and this operator was given no image of Retina for it")
    return images.retina_cuda


def _gpu(provider: Provider, gpu: Gpu) -> Gpu:
    if gpu.count and provider is not Provider.CUDA:
        raise InvalidSpecError("spec.retina.gpu.count", f"GPUs are for provider cuda; the provider is {provider}")
    return gpu
