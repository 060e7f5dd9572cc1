"""The ranking of rows, and the exact search of the embedded stores; needs no server."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from cassandra import ReadFailure

from embark.errors import UnavailableError
from embark.space import VectorForm
from embark.spec import DType
from embark.store import EmbeddingStore, Row, Search
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.search import DIMENSIONS, direction_bytes
from embark.store.neighbours import Deadline, Ranking, search_all
from embark.store.sqlite.adapter import SqliteStore
from embark_testing.contracts.neighbours import EAST, FORM, HALF, NORTH, keys, search, vector
from embark_testing.contracts.rows import PATIENT, SPACE, embedding
from embark_testing.fake_clock import FakeClock

SHORT = timedelta(milliseconds=20)


def test_of_equal_scores_the_smaller_key_comes_first_in_any_order_of_rows() -> None:
    for order in ("abc", "cba", "bca"):
        ranking = Ranking(search(*EAST, k=2))
        for key in order:
            ranking.add([embedding(key, 1, vector(*EAST))])
        assert keys(ranking.best) == ["a", "b"]


def test_a_key_that_comes_twice_counts_once_with_its_last_row() -> None:
    ranking = Ranking(search(*EAST, k=2))
    ranking.add([embedding("moved", 1, vector(*EAST)), embedding("stays", 1, vector(*EAST))])
    ranking.add([embedding("moved", 2, vector(*NORTH))])
    assert [(found.key, found.score) for found in ranking.best] == [("stays", 1.0), ("moved", 0.0)]


@pytest.mark.parametrize(("dimension", "rows"), [(1, 1000), (384, 682), (1280, 204), (65536, 4)])
def test_a_page_of_an_exact_search_is_bounded_in_rows_and_bytes(dimension: int, rows: int) -> None:
    form, pages = VectorForm(dimension, DType.FLOAT32), []

    def scan(page: int) -> Sequence[Sequence[Row]]:
        pages.append(page)
        return []

    assert search_all(Search(np.ones(dimension, "<f4").tobytes(), form, 1), scan, Deadline(PATIENT)) == []
    assert pages == [rows]


def test_an_exact_search_ends_between_two_pages_at_its_deadline() -> None:
    read = 0

    def scan(_: int) -> Iterator[Sequence[Row]]:
        nonlocal read
        while True:
            read += 1
            yield [embedding("key", 1, vector(*EAST))]

    with pytest.raises(UnavailableError, match=r"not done within 0:00:00\.020000"):
        search_all(search(*EAST), scan, Deadline(SHORT))
    assert read > 0


def test_a_search_for_a_vector_without_direction_reads_nothing(store: EmbeddingStore) -> None:
    store.close()
    assert store.similar(SPACE, search(0, 0, 0, 0), PATIENT) == []


def test_a_search_of_a_locked_file_is_unavailable_within_its_timeout(
    store: EmbeddingStore, path: Path, clock: FakeClock
) -> None:
    store.write(SPACE, [embedding("key", 1, vector(*EAST))])
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        late = SqliteStore(path, clock)
        with pytest.raises(UnavailableError, match="store"):
            late.similar(SPACE, search(*EAST), SHORT)
    assert keys(late.similar(SPACE, search(*EAST), PATIENT)) == ["key"]
    late.close()


@pytest.mark.parametrize("form", [FORM, HALF])
def test_a_direction_is_encoded_with_unit_length_in_single_precision_and_the_byte_order_of_cql(
    form: VectorForm,
) -> None:
    assert direction_bytes(vector(3, 0, -4, 0, form=form), form) == np.array([0.6, 0, -0.8, 0], ">f4").tobytes()
    assert direction_bytes(vector(0, 0, 0, 0, form=form), form) is None
    assert direction_bytes(vector(np.nan, 0, 0, 1, form=form), form) is None


@pytest.mark.parametrize("length", [1e-45, 1e-20, 3e38])
def test_vectors_of_every_length_have_a_direction_that_can_be_indexed(length: float) -> None:
    assert direction_bytes(vector(length, 0, 0, 0), FORM) == np.array(EAST, ">f4").tobytes()


def test_the_widest_indexed_vectors_fill_an_index_term() -> None:
    assert max(DIMENSIONS) * 4 == 32 * 1024


def test_an_index_that_is_being_built_is_reported() -> None:
    building = ReadFailure("1 failures: INDEX_NOT_AVAILABLE from /127.0.0.1:7000")
    with pytest.raises(UnavailableError, match="still building the index"), unavailable_on_failure():
        raise building
