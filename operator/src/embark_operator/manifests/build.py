"""Every child that a cache should have; the root of the builders, called by reconcile."""

from collections.abc import Sequence

from embark.errors import InvalidSpecError
from embark.settings import settings_for
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.backends import DeletionPolicy
from embark.spec.serving import MeshProvider
from embark_operator.manifests.embark import build_embark
from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.retina import build_retina
from embark_operator.names import Manifest
from embark_operator.options import Options


def build(
    cache: EmbeddingCache, uid: str, options: Options, *, oov_vector: Sequence[float] | None = None
) -> list[Manifest]:
    """Return the manifests of all children, in the order they are applied.

    `uid` is the cache's, for owner references; `oov_vector` what the ConfigMap of spec.miss.oovVectorConfigMap holds.

    Raises:
        InvalidSpecError: what only the operator can judge is wrong: the field is named.
    """
    _refuse_what_is_not_built(cache.spec)
    settings = settings_for(cache, oov_vector=oov_vector)
    return [
        *build_kfc(cache, uid, settings.kfc, options.images),
        *build_retina(cache, uid, settings.retina, options.images),
        *build_embark(cache, uid, settings.embark, options.images),
    ]


def _refuse_what_is_not_built(spec: EmbeddingCacheSpec) -> None:
    """Refuse what this operator would leave undone in silence: a user may rely on it."""
    if spec.store.deletion_policy is DeletionPolicy.DELETE:
        message = "this operator never drops a keyspace; say Retain, and drop it by hand"
        raise InvalidSpecError("spec.store.deletionPolicy", message)
    if spec.mesh.provider is not MeshProvider.NONE or spec.mesh.authorized_clients:
        raise InvalidSpecError("spec.mesh", "this operator configures no mesh, so nobody would be kept out")
