"""What the local mode replaces of a manifest, as sentences for `embark local` to print."""

from collections.abc import Iterator
from pathlib import Path

from embark.spec import EmbeddingCache, EmbeddingCacheSpec


def replacements(cache: EmbeddingCache, database: Path, model: Path, certificates: Path | None = None) -> Iterator[str]:
    """Yield `field: what stands in for it`, for every part that the manifest declares and one process cannot have."""
    spec = cache.spec
    yield f"spec.store.cassandra: the table of the space is in {database}"
    yield f"spec.topic.kafka: fills and dead letters are in the same file, {spec.topic.kafka.partitions} partitions"
    if model.exists():
        yield f"spec.encoder.model.uri: {model} has that digest already; nothing is downloaded"
    for name, part in (("embark", spec.embark), ("kfc", spec.kfc), ("retina", spec.retina)):
        if part.replicas is not None or part.autoscaling is not None:
            yield f"spec.{name}.{'replicas' if part.autoscaling is None else 'autoscaling'}: one, in this process"
    yield from _access(spec, certificates)
    if spec.mesh.provider != "none":
        yield f"spec.mesh: none; {spec.mesh.provider} is the cluster's"
    if spec.miss.oov_vector_config_map:
        yield "spec.miss.oovVectorConfigMap: the file given by --oov-vector"


def _access(spec: EmbeddingCacheSpec, certificates: Path | None) -> Iterator[str]:
    if not spec.tls.secret:
        return
    if certificates:
        yield f"spec.tls.secret: the files in {certificates}; KFC and Retina, in this process, need none"
        return
    yield "spec.tls: none, calls on 127.0.0.1 are in plain text and of anybody; --tls names a folder of certificates"
    if any(tenant.identities for tenant in spec.tenants):
        yield "spec.tenants: a tenant's identities are not asked for; calls say whose they are (--tenant)"
