"""Names that are derived from a cache or a space."""

from typing import Final

from embark.spec import EmbeddingCache

APPROVED: Final = "embark.dev/approved"
"""Annotation of a cache: the id of the space whose rollout is approved."""
RESUMED: Final = "embark.dev/resumed"
"""Annotation of a cache: when a halted rollout was last resumed by a user, as RFC 3339."""


def cache_name(cache: EmbeddingCache) -> str:
    """Return `<namespace>/<name>`, as logs, metrics and messages name a cache."""
    return f"{cache.metadata.namespace}/{cache.metadata.name}"


def fills_topic(cache: EmbeddingCache) -> str:
    """Return the topic of the cache's fill requests."""
    return cache.spec.topic.kafka.name or f"{cache.metadata.namespace}.{cache.metadata.name}.fills"


def dead_letters_topic(cache: EmbeddingCache) -> str:
    """Return the topic of the records that could not be filled."""
    return f"{fills_topic(cache).removesuffix('.fills')}.dead-letters"


def consumer_group(cache: EmbeddingCache, space_id: str) -> str:
    """Return the group of the KFC that fills `space_id`; one per space, so that a fill reaches every space."""
    return f"{cache.metadata.namespace}.{cache.metadata.name}.{space_id}"


def embeddings_table(space_id: str) -> str:
    """Return the table of a space."""
    return f"embeddings_{space_id}"


def retina_target(cache: EmbeddingCache, space_id: str) -> str:
    """Return the gRPC target of the Retina of a space, as its headless Service resolves in the cluster."""
    return f"dns:///{cache.metadata.name}-retina-{space_id}.{cache.metadata.namespace}:50051"
