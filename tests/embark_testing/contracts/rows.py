"""Rows and spaces for the tests of stores."""

from datetime import timedelta

from embark.causes import Cause, CauseKind
from embark.clock import Micros
from embark.store import Embedding, EmbeddingStore, Negative, Row, Served

SPACE = "0123456789ab"
OTHER_SPACE = "ba9876543210"
PATIENT = timedelta(seconds=30)


def embedding(key: str, at: Micros, vector: bytes = b"\0\0\x80\x3f", expires_at: Micros | None = None) -> Embedding:
    return Embedding(key, vector, at, b"hash of " + vector, expires_at)


def negative(key: str, at: Micros, expires_at: Micros) -> Negative:
    return Negative(key, Cause(CauseKind.NOT_FOUND, "404: absent"), at, expires_at)


def read_one(store: EmbeddingStore, key: str) -> Row | None:
    return store.read(SPACE, [key], PATIENT).get(key)


def look_up(store: EmbeddingStore, *keys: str) -> dict[str, Served]:
    return store.lookup(SPACE, keys, PATIENT)


def scanned(store: EmbeddingStore, page: int = 1000) -> list[Row]:
    return [row for rows in store.scan(SPACE, page) for row in rows]
