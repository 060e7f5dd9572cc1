"""Caches in a mesh, scalers of KFC, and what clusters with and without their APIs serve."""

from typing import Any, Final

from embark.settings import KfcSettings, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache
from embark_operator.cluster import apis, kinds
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.manifests.children import Component
from embark_operator.manifests.kfc_scaling import KfcScaler, build_kfc_scaler
from embark_operator.manifests.meshes import MeshChildren, MeshedCache, build_mesh
from embark_operator.manifests.retina_scaling import build_retina_scaling
from embark_operator.manifests.scaling import SpaceUse
from embark_operator.names import Manifest, kfc_name, retina_name
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import UID

SPACES: Final = ("a1b2c3d4e5f6", "0f9e8d7c6b5a")
CLIENTS: Final = [
    {"serviceAccount": "ranker", "namespace": "ads"},
    {"serviceAccount": "trainer", "namespace": "research"},
]
ANY_CLIENT: Final[dict[str, Any]] = {"authorizedClients": []}


def serving(*kinds: Kind) -> Apis:
    return Apis(frozenset((kind.api_version, kind.name) for kind in kinds))


POLICIES: Final = (
    kinds.MESH_TLS_AUTHENTICATION,
    kinds.NETWORK_AUTHENTICATION,
    kinds.LINKERD_AUTHORIZATION,
    kinds.LINKERD_SERVER,
)
LINKERD: Final = serving(*POLICIES, kinds.GRPC_ROUTE, kinds.HTTP_ROUTE)
LINKERD_WITH_HTTP_ROUTES: Final = serving(*POLICIES, kinds.HTTP_ROUTE)
ISTIO: Final = serving(kinds.PEER_AUTHENTICATION, kinds.ISTIO_AUTHORIZATION, kinds.DESTINATION_RULE)
KEDA: Final = serving(kinds.SCALED_OBJECT, kinds.TRIGGER_AUTHENTICATION)
EXTERNAL: Final = Apis(frozenset({(apis.EXTERNAL_METRICS, "ExternalMetricValueList")}))


def meshed(provider: str, **changes: dict[str, Any]) -> EmbeddingCache:
    """Return samples/photos.yaml in a mesh, for CLIENTS unless `mesh=ANY_CLIENT`."""
    mesh = {"provider": provider, "authorizedClients": CLIENTS} | changes.pop("mesh", {})
    return sample("photos", mesh=mesh, **changes)


def build_sample_mesh(cache: EmbeddingCache, served: Apis) -> MeshChildren:
    return build_mesh(MeshedCache(cache, UID, SPACES), served)


def kfc_settings(cache: EmbeddingCache) -> KfcSettings:
    return settings_for(cache, Space.from_encoder(cache.spec.encoder)).kfc


def build_sample_scaler(
    cache: EmbeddingCache, served: Apis, *, idle: bool = False, watched: bool = False, saturation_cap: int | None = None
) -> KfcScaler:
    settings = kfc_settings(cache)
    component = Component(cache, UID, "kfc", kfc_name(cache, settings.space.id), settings.space.id)
    use = SpaceUse(idle=idle, watched=watched, saturation_cap=saturation_cap)
    return build_kfc_scaler(component, settings, served, use)


def retina_scaling(cache: EmbeddingCache, served: Apis, *, idle: bool = True, filled: bool = False) -> list[Manifest]:
    settings = kfc_settings(cache)
    component = Component(cache, UID, "retina", retina_name(cache, settings.space.id), settings.space.id)
    return build_retina_scaling(component, settings, served, SpaceUse(idle=idle, filled=filled))


def named(manifests: MeshChildren | KfcScaler, kind: str) -> dict[str, Manifest]:
    """Return the specs of the objects of a kind, by the objects' names."""
    return {m["metadata"]["name"]: m["spec"] for m in manifests.manifests if m["kind"] == kind}
