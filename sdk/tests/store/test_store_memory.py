from datetime import timedelta

import pytest

from embark.store import EmbeddingStore
from embark.store.memory import MemoryStore
from embark.store.rows import GRACE
from embark_testing.contracts.checkpoints import CheckpointsContract
from embark_testing.contracts.neighbours import NeighbourContract
from embark_testing.contracts.ranges import RangesContract
from embark_testing.contracts.rows import OTHER_SPACE, SPACE, embedding
from embark_testing.contracts.store import StoreContract
from embark_testing.fake_clock import FakeClock


@pytest.fixture
def store(clock: FakeClock) -> EmbeddingStore:
    store = MemoryStore(clock)
    store.ensure_space(SPACE)
    store.ensure_space(OTHER_SPACE)
    return store


class TestMemoryStore(StoreContract, NeighbourContract, RangesContract, CheckpointsContract):
    """The contract in memory."""


def test_purged_rows_and_deletes_free_their_memory(clock: FakeClock) -> None:
    store = MemoryStore(clock)
    store.ensure_space(SPACE)
    store.write(SPACE, [embedding("expired", 1, expires_at=clock.at), embedding("renewed", 1, expires_at=clock.at)])
    store.delete(SPACE, ["deleted"], 5)
    store.write(SPACE, [embedding("renewed", 2)])
    clock.advance(GRACE - timedelta(microseconds=1))
    store.write(SPACE, [embedding("deleted", 4)])
    assert set(store._tables[SPACE].entries) == {"expired", "deleted", "renewed"}
    assert store.count(SPACE) == 1
    clock.advance(timedelta(microseconds=1))
    store.write(SPACE, [embedding("deleted", 4)])
    assert set(store._tables[SPACE].entries) == {"deleted", "renewed"}
    assert store.count(SPACE) == 2
