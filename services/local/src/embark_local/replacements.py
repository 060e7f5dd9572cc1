"""What a local cache replaces of its manifest."""

from collections.abc import Iterator
from pathlib import Path

from embark.spec import EmbeddingCache, EmbeddingCacheSpec


def replacements(cache: EmbeddingCache, database: Path, model: Path, certificates: Path | None = None) -> Iterator[str]:
    """Yield `field: replacement` for every declared part that a single process cannot provide."""
    spec = cache.spec
    yield f"spec.store.cassandra: the table of the space is in {database}"
    yield f"spec.topic.kafka: fills and dead letters are in the same file, {spec.topic.kafka.partitions} partitions"
    if model.exists():
        yield f"spec.encoder.model.uri: {model} has this digest already; nothing is downloaded"
    for name, part in (("embark", spec.embark), ("kfc", spec.kfc), ("retina", spec.retina)):
        if part.replicas is not None or part.autoscaling is not None:
            yield f"spec.{name}.{'replicas' if part.autoscaling is None else 'autoscaling'}: one, in this process"
    yield from _access(spec, certificates)
    if spec.mesh.provider != "none":
        yield f"spec.mesh: none; {spec.mesh.provider} needs a cluster"
    if spec.miss.oov_vector_config_map:
        yield "spec.miss.oovVectorConfigMap: the file passed with --oov-vector"


def _access(spec: EmbeddingCacheSpec, certificates: Path | None) -> Iterator[str]:
    if not spec.tls.secret:
        return
    if certificates:
        yield f"spec.tls.secret: the files in {certificates}; KFC and Retina, in this process, need none"
        return
    yield "spec.tls: none; any caller on 127.0.0.1 may connect, in plain text; --tls names a folder of certificates"
    if any(tenant.identities for tenant in spec.tenants):
        yield "spec.tenants: identities are not checked; callers name their tenant (--tenant)"
