"""The contract of neighbours, for every store that can search."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.errors import ClosedError, UnavailableError
from embark.space import VectorForm
from embark.spec import DType
from embark.store import EmbeddingStore, Neighbour, Search
from embark_testing.contracts.rows import OTHER_SPACE, PATIENT, SPACE, embedding, negative
from embark_testing.fake_clock import FakeClock

DIMENSION = 4
FORM = VectorForm(DIMENSION, DType.FLOAT32)
HALF = VectorForm(DIMENSION, DType.FLOAT16)
EAST, NORTH, UP = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)


def vector(*elements: float, form: VectorForm = FORM) -> bytes:
    return np.array(elements, form.numpy).tobytes()


def search(*elements: float, k: int = 10, leave_out: str = "", form: VectorForm = FORM) -> Search:
    return Search(vector(*elements, form=form), form, k, leave_out)


def similar(store: EmbeddingStore, wanted: Search) -> Sequence[Neighbour]:
    return store.similar(SPACE, wanted, PATIENT)


def keys(found: Sequence[Neighbour]) -> list[str]:
    return [neighbour.key for neighbour in found]


def cosines(rows: npt.NDArray[np.float64], other: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the cosines of rows with a vector, computed in another way than in the stores."""
    return np.array([row @ np.asarray(other) / np.sqrt((row @ row) * np.dot(other, other)) for row in rows])


class NeighbourContract:
    """Needs the fixtures of StoreContract, with both spaces ensured for vectors of DIMENSION elements.

    An approximate store is exact for the few rows of these tests.
    """

    def test_the_nearest_come_first_with_their_cosine_for_vectors_of_any_length(self, store: EmbeddingStore) -> None:
        near, far, opposite = (3, 4, 0, 0), (1e-4, 2e-4, 2e-4, 0), (-7e5, 0, 0, 0)
        rows = {"near": near, "far": far, "opposite": opposite, "east": (2e9, 0, 0, 0)}
        store.write(SPACE, [embedding(key, 1, vector(*row)) for key, row in rows.items()])
        found = similar(store, search(5, 0, 0, 0))
        assert keys(found) == ["east", "near", "far", "opposite"]
        assert [neighbour.score for neighbour in found] == pytest.approx([1, 0.6, 1 / 3, -1], abs=1e-6)
        assert all(-1 <= neighbour.score <= 1 for neighbour in found)

    def test_at_most_k_are_found_and_the_key_left_out_does_not_count(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding(f"{i}", 1, vector(10, i, 0, 0)) for i in range(10)])
        assert keys(similar(store, search(*EAST, k=3))) == ["0", "1", "2"]
        assert keys(similar(store, search(*EAST, k=3, leave_out="0"))) == ["1", "2", "3"]
        assert keys(similar(store, search(*EAST, k=3, leave_out="missing"))) == ["0", "1", "2"]
        assert keys(similar(store, search(*EAST, k=100, leave_out="9"))) == [str(i) for i in range(9)]

    def test_equal_embeddings_are_all_found(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding(f"copy {i}", 1, vector(*EAST)) for i in range(5)])
        store.write(SPACE, [embedding("another", 1, vector(*NORTH))])
        found = similar(store, search(*EAST, k=4, leave_out="copy 2"))
        assert sorted(keys(found)) == ["copy 0", "copy 1", "copy 3", "copy 4"]
        assert {neighbour.score for neighbour in found} == {1.0}

    def test_a_vector_without_direction_has_no_neighbours_and_is_none(self, store: EmbeddingStore) -> None:
        rows = {"zeros": (0, 0, 0, 0), "infinite": (np.inf, 0, 0, 0), "not a number": (np.nan, 1, 0, 0)}
        store.write(SPACE, [embedding(key, 1, vector(*row)) for key, row in rows.items()])
        store.write(SPACE, [embedding("short", 1, b"\0\0\x80\x3f"), embedding("tiny", 1, vector(1e-42, 0, 0, 0))])
        assert keys(similar(store, search(*EAST))) == ["tiny"]
        assert similar(store, search(0, 0, 0, 0)) == []
        assert set(store.read(SPACE, [*rows, "short"], PATIENT)) == {*rows, "short"}

    def test_a_key_is_found_only_by_its_latest_embedding(self, store: EmbeddingStore, clock: FakeClock) -> None:
        later = clock.at + 1_000_000
        store.write(SPACE, [embedding(key, 5, vector(*EAST)) for key in ("moved", "stays", "failed", "deleted")])
        store.write(SPACE, [embedding("moved", 6, vector(*NORTH)), embedding("zeros", 6, vector(*EAST))])
        store.write(SPACE, [embedding("stays", 4, vector(*NORTH)), embedding("zeros", 7, vector(0, 0, 0, 0))])
        store.write(SPACE, [negative("failed", 6, later)])
        store.delete(SPACE, ["deleted"], 5)
        found = similar(store, search(*EAST))
        assert [(neighbour.key, neighbour.score) for neighbour in found] == [("stays", 1.0), ("moved", 0.0)]
        store.write(SPACE, [embedding("deleted", 6, vector(*EAST)), embedding("failed", 7, vector(*EAST))])
        assert sorted(keys(similar(store, search(*EAST, k=3)))) == ["deleted", "failed", "stays"]

    def test_expired_rows_take_no_place_of_others(self, store: EmbeddingStore, clock: FakeClock) -> None:
        expires_at = clock.at + 1_000_000
        store.write(SPACE, [embedding(f"expired {i}", 1, vector(*EAST), expires_at) for i in range(30)])
        store.write(SPACE, [embedding("for ever", 1, vector(9, 1, 0, 0)), embedding("too", 1, vector(9, 2, 0, 0))])
        assert len(similar(store, search(*EAST, k=100))) == 32
        clock.advance(timedelta(seconds=1))
        assert keys(similar(store, search(*EAST, k=2))) == ["for ever", "too"]

    def test_half_precision_is_searched_like_single_precision(self, store: EmbeddingStore) -> None:
        rows = {"near": (0.5, 0.25, 0, 0), "far": (0, 6e4, 6e4, 0), "least": (0, 0, 0, 6e-8)}
        store.write(SPACE, [embedding(key, 1, vector(*row, form=HALF)) for key, row in rows.items()])
        found = similar(store, search(*EAST, form=HALF))
        assert keys(found)[0] == "near"
        assert [neighbour.score for neighbour in found] == pytest.approx([2 / np.sqrt(5), 0, 0], abs=1e-6)
        assert keys(similar(store, search(0, 0, 0, 1, form=HALF, k=1))) == ["least"]

    def test_a_search_finds_only_the_rows_of_its_space(self, store: EmbeddingStore) -> None:
        store.write(OTHER_SPACE, [embedding("key", 1, vector(*EAST))])
        assert similar(store, search(*EAST)) == []
        assert keys(store.similar(OTHER_SPACE, search(*UP), PATIENT)) == ["key"]

    def test_a_search_without_time_is_unavailable(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("key", 1, vector(*EAST))])
        assert keys(similar(store, search(*EAST))) == ["key"]
        with pytest.raises(UnavailableError, match="store"):
            store.similar(SPACE, search(*EAST), timedelta(0))

    def test_a_search_of_a_space_that_was_never_ensured_is_unavailable(self, store: EmbeddingStore) -> None:
        with pytest.raises(UnavailableError, match="store"):
            store.similar("feedfeedfeed", search(*EAST), PATIENT)

    def test_a_search_of_a_closed_store_is_rejected(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("key", 1, vector(*EAST))])
        assert keys(similar(store, search(*EAST))) == ["key"]
        store.close()
        with pytest.raises(ClosedError):
            store.similar(SPACE, search(*EAST), PATIENT)

    def test_any_small_set_is_searched_exactly(self, store: EmbeddingStore, clock: FakeClock) -> None:
        elements = st.tuples(*[st.floats(-8, 8, width=16)] * DIMENSION).filter(any)
        written: dict[str, tuple[float, ...]] = {}

        @given(st.dictionaries(st.sampled_from("abcdefghijkl"), elements, max_size=6), elements, st.integers(1, 15))
        @settings(max_examples=40, deadline=None)
        def check(rows: dict[str, tuple[float, ...]], wanted: tuple[float, ...], k: int) -> None:
            clock.advance(timedelta(microseconds=1))
            for key, row in rows.items():  # one by one: Cassandra 5.0.8 fails some concurrent ones (CASSANDRA-21644)
                store.write(SPACE, [embedding(key, clock.at, vector(*row))])
            written.update(rows)
            found = similar(store, search(*wanted, k=k))
            expected = cosines(np.array(list(written.values()), np.float64).reshape(-1, DIMENSION), wanted)
            exact = dict(zip(written, expected, strict=True))
            assert [neighbour.score for neighbour in found] == pytest.approx(sorted(expected)[::-1][:k], abs=1e-5)
            assert {neighbour.key: neighbour.score for neighbour in found} == pytest.approx(
                {key: exact[key] for key in keys(found)}, abs=1e-5
            )

        check()
