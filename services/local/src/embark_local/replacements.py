"""What the local mode replaces of a manifest, as sentences for `embark local` to print."""

from collections.abc import Iterator
from pathlib import Path

from embark.spec import EmbeddingCache


def replacements(cache: EmbeddingCache, database: Path, model: Path) -> Iterator[str]:
    """Yield `field: what stands in for it`, for every part that the manifest declares and one process cannot have."""
    spec = cache.spec
    yield f"spec.store.cassandra: the table of the space is in {database}"
    yield f"spec.topic.kafka: fills and dead letters are in the same file, {spec.topic.kafka.partitions} partitions"
    if model.exists():
        yield f"spec.encoder.model.uri: {model} has that digest already; nothing is downloaded"
    for name, part in (("embark", spec.embark), ("kfc", spec.kfc), ("retina", spec.retina)):
        if part.replicas is not None or part.autoscaling is not None:
            yield f"spec.{name}.{'replicas' if part.autoscaling is None else 'autoscaling'}: one, in this process"
    if spec.mesh.provider != "none":
        yield f"spec.mesh: none; {spec.mesh.provider} is the cluster's"
    if spec.miss.oov_vector_config_map:
        yield "spec.miss.oovVectorConfigMap: the file given by --oov-vector"
