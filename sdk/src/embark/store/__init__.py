"""Stores of embeddings behind one protocol."""

from embark.store.protocols import EmbeddingReader, EmbeddingStore, EmbeddingWriter
from embark.store.rows import Embedding, Negative, Row, expired

__all__ = ["Embedding", "EmbeddingReader", "EmbeddingStore", "EmbeddingWriter", "Negative", "Row", "expired"]
