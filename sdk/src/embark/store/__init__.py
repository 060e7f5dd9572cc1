"""Stores of embeddings behind one protocol."""

from embark.store.neighbours import Neighbour, Search
from embark.store.progress import Progress
from embark.store.protocols import (
    Checkpoints,
    EmbeddingReader,
    EmbeddingStore,
    EmbeddingWriter,
    NeighbourReader,
    RangeReader,
    RolloutStore,
)
from embark.store.ranges import REEMBED_RANGES, Page, TokenRange, split_ring
from embark.store.rows import Embedding, Negative, Row, Served, Value, expired

__all__ = [
    "REEMBED_RANGES",
    "Checkpoints",
    "Embedding",
    "EmbeddingReader",
    "EmbeddingStore",
    "EmbeddingWriter",
    "Negative",
    "Neighbour",
    "NeighbourReader",
    "Page",
    "Progress",
    "RangeReader",
    "RolloutStore",
    "Row",
    "Search",
    "Served",
    "TokenRange",
    "Value",
    "expired",
    "split_ring",
]
