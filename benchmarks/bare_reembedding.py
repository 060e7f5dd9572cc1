"""The loop that an engineer writes in place of the re-embedding: read keys by token range, write rows; its baseline."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cassandra import ConsistencyLevel
from cassandra.concurrent import execute_concurrent_with_args

from benchmarks.bare_drivers import bare_session
from embark.names import embeddings_table
from embark.settings import KfcSettings
from embark.store import split_ring

# The writes that the store of KFC has in flight, and the rows of its pages.
_IN_FLIGHT: Final = 256
_PAGE: Final = 1000


@contextmanager
def bare_reembedding(settings: KfcSettings, vector: bytes) -> Iterator[Callable[[int, int], int]]:
    """Yield a function that writes `vector` for every key of a part of `parts`, from 0; it returns how many.

    It reads only the keys, the next page while the rows of this one are written, and keeps no checkpoint.
    """
    with bare_session(settings.store) as session:
        select = session.prepare(
            f"SELECT key FROM {embeddings_table(settings.source)}"  # noqa: S608 - a table of this run
            " WHERE token(key) > ? AND token(key) <= ?"
        )
        insert = session.prepare(
            f"INSERT INTO {embeddings_table(settings.space.id)}"  # noqa: S608 - as above
            " (key, vector, cause, content_hash, written_at, expires_at) VALUES (?, ?, '', ?, ?, 0)"
        )
        select.fetch_size = _PAGE
        for statement in (select, insert):
            statement.consistency_level = ConsistencyLevel.LOCAL_QUORUM

        def copy(part: int, parts: int) -> int:
            token_range = split_ring(parts)[part]
            result = session.execute_async(select, (token_range.start, token_range.end))
            return sum(_write(session, insert, keys, vector) for keys in _pages(result))

        yield copy


def _pages(result: Any) -> Iterator[list[str]]:
    more = True
    while more:
        keys = [key for (key,) in result.result().current_rows]
        more = result.has_more_pages
        if more:
            result.start_fetching_next_page()
        yield keys


def _write(session: Any, insert: Any, keys: list[str], vector: bytes) -> int:
    at = int(time.time() * 1000)
    rows = [(key, vector, b"", at) for key in keys]
    execute_concurrent_with_args(session, insert, rows, concurrency=_IN_FLIGHT)
    return len(rows)
