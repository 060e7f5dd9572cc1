"""What a service mesh needs of a cache: objects, and labels and annotations of pods; pure, called by build and pods.

The mesh is there for EmbArk's own gRPC: it encrypts and balances the calls, and lets in who may make them. Store and
topic stay outside of it, with the TLS and the credentials that the spec names for them, and so does what Retina
fetches: Retina judges the address that it really dials, and a proxy on the way would dial another one.
"""

from collections.abc import Sequence

from embark.spec import EmbeddingCache
from embark.spec.serving import MeshProvider
from embark_operator.cluster.apis import Apis
from embark_operator.manifests.meshes.istio import build_istio, istio_pod
from embark_operator.manifests.meshes.linkerd import build_linkerd, linkerd_pod
from embark_operator.manifests.meshes.meshed import MeshChildren, Meshed, PodMesh

__all__ = ["MeshChildren", "PodMesh", "build_mesh", "mesh_of_pod"]


def build_mesh(cache: EmbeddingCache, uid: str, apis: Apis, spaces: Sequence[str]) -> MeshChildren:
    """Return the objects of the cache's mesh, in the order they are applied, and which APIs for them are missing.

    `spaces` are the ids of those that have a KFC and a Retina.
    """
    meshed = Meshed(cache, uid, tuple(spaces))
    match cache.spec.mesh.provider:
        case MeshProvider.LINKERD:
            return build_linkerd(meshed, apis)
        case MeshProvider.ISTIO:
            return build_istio(meshed, apis)
        case MeshProvider.NONE:
            return MeshChildren()


def build_pod_mesh(cache: EmbeddingCache, title: str) -> PodMesh:
    """Return the labels and annotations that the pods of a component have for the cache's mesh."""
    match cache.spec.mesh.provider:
        case MeshProvider.LINKERD:
            return linkerd_pod(cache, title)
        case MeshProvider.ISTIO:
            return istio_pod(cache, title)
        case MeshProvider.NONE:
            return PodMesh()
