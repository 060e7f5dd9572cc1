"""The objects of a cache in a service mesh, and the labels and annotations of its pods.

The mesh is for EmbArk's own gRPC: it encrypts, balances and authorizes the calls. Store and topic stay outside of it,
with the TLS and the credentials that the spec names, and so do Retina's fetches: Retina checks the address that it
dials, and a proxy in between would dial another one.
"""

from embark.spec import EmbeddingCache
from embark.spec.serving import MeshProvider
from embark_operator.cluster.apis import Apis
from embark_operator.manifests.meshes.istio import build_istio, istio_pod
from embark_operator.manifests.meshes.linkerd import build_linkerd, linkerd_pod
from embark_operator.manifests.meshes.meshed import MeshChildren, MeshedCache, PodMesh

__all__ = ["MeshChildren", "MeshedCache", "PodMesh", "build_mesh", "build_pod_mesh"]


def build_mesh(meshed: MeshedCache, apis: Apis) -> MeshChildren:
    """Return the objects of the cache's mesh, in the order of applying, and which APIs for them are missing."""
    match meshed.cache.spec.mesh.provider:
        case MeshProvider.LINKERD:
            return build_linkerd(meshed, apis)
        case MeshProvider.ISTIO:
            return build_istio(meshed, apis)
        case MeshProvider.NONE:
            return MeshChildren()


def build_pod_mesh(cache: EmbeddingCache, title: str) -> PodMesh:
    """Return the labels and annotations of a component's pods for the cache's mesh."""
    match cache.spec.mesh.provider:
        case MeshProvider.LINKERD:
            return linkerd_pod(cache, title)
        case MeshProvider.ISTIO:
            return istio_pod(cache, title)
        case MeshProvider.NONE:
            return PodMesh()
