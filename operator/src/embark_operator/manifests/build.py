"""Every child that a cache should have; the root of the builders, called by reconcile."""

from collections.abc import Sequence

from embark.settings import settings_for
from embark.spec import EmbeddingCache
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
    settings = settings_for(cache, oov_vector=oov_vector)
    return [
        *build_kfc(cache, uid, settings.kfc, options.images),
        *build_retina(cache, uid, settings.retina, options.images),
        *build_embark(cache, uid, settings.embark, options.images),
    ]
