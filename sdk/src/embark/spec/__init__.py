"""The EmbeddingCache resource as frozen values; no I/O, no clock, no environment."""

from embark.spec.backends import Cassandra, Kafka, Retry, SaslMechanism, Store, Topic
from embark.spec.cache import API_VERSION, KIND, EmbeddingCache, EmbeddingCacheSpec, Metadata
from embark.spec.encoder import Batch, DType, Encoder, Fetch, Modality, Normalization, Output, Preprocessing, Provider
from embark.spec.serving import EmbArk, HotTier, Kfc, Miss, NegativeTTL, Oov, Retina, Serving

__all__ = [
    "API_VERSION",
    "KIND",
    "Batch",
    "Cassandra",
    "DType",
    "EmbArk",
    "EmbeddingCache",
    "EmbeddingCacheSpec",
    "Encoder",
    "Fetch",
    "HotTier",
    "Kafka",
    "Kfc",
    "Metadata",
    "Miss",
    "Modality",
    "NegativeTTL",
    "Normalization",
    "Oov",
    "Output",
    "Preprocessing",
    "Provider",
    "Retina",
    "Retry",
    "SaslMechanism",
    "Serving",
    "Store",
    "Topic",
]
