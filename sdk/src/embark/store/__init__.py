"""Stores of embeddings behind one protocol."""

from embark.store.neighbours import Neighbour, Search
from embark.store.progress import RangeProgress
from embark.store.protocols import (
    Checkpoints,
    EmbeddingReader,
    EmbeddingStore,
    EmbeddingWriter,
    KeyReader,
    NeighbourReader,
    RangeReader,
    RolloutStore,
)
from embark.store.ranges import REEMBED_RANGES, KeyPage, Page, Scanned, TokenRange, split_ring
from embark.store.rows import Embedding, KeyRow, Negative, Present, Row, Served, Value, expired

__all__ = [
    "REEMBED_RANGES",
    "Checkpoints",
    "Embedding",
    "EmbeddingReader",
    "EmbeddingStore",
    "EmbeddingWriter",
    "KeyPage",
    "KeyReader",
    "KeyRow",
    "Negative",
    "Neighbour",
    "NeighbourReader",
    "Page",
    "Present",
    "RangeProgress",
    "RangeReader",
    "RolloutStore",
    "Row",
    "Scanned",
    "Search",
    "Served",
    "TokenRange",
    "Value",
    "expired",
    "split_ring",
]
