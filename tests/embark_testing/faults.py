"""Wrappers that let a test make a real store or topic fail."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from embark.clock import Micros
from embark.errors import UnavailableError
from embark.store import Checkpoints, KeyPage, Neighbour, Page, RolloutStore, Row, Search, Served, TokenRange
from embark.topic import DeadLetters, FillConsumer, FillProducer, FillTopic, Losses


class FaultyStore:
    """A store that fails while `failing` is set, and whose reads time out while `hanging` is set."""

    def __init__(self, store: RolloutStore) -> None:
        self._store = store
        self.failing = threading.Event()
        self.hanging = threading.Event()
        self._never = threading.Event()

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        self._check_read(timeout)
        return self._store.read(space, keys, timeout)

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        self._check_read(timeout)
        return self._store.lookup(space, keys, timeout)

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        self._check()
        return self._store.scan(space, page)

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        self._check()
        return self._store.scan_range(space, token_range, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        self._check()
        return self._store.scan_keys(space, token_range, page)

    def checkpoints(self) -> Checkpoints:
        self._check()
        return self._store.checkpoints()

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        self._check()
        return self._store.similar(space, search, timeout)

    def count(self, space: str) -> int:
        self._check()
        return self._store.count(space)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        self._check()
        self._store.write(space, rows)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        self._check()
        self._store.delete(space, keys, at)

    def ensure_space(self, space: str) -> None:
        self._check()
        self._store.ensure_space(space)

    def drop_space(self, space: str) -> None:
        self._check()
        self._store.drop_space(space)

    def close(self) -> None:
        self._store.close()

    def _check_read(self, timeout: timedelta) -> None:
        self._check()
        if self.hanging.is_set():
            self._never.wait(timeout.total_seconds())
            raise UnavailableError("store", "no answer in time")

    def _check(self) -> None:
        if self.failing.is_set():
            raise UnavailableError("store", "switched off by the test")


class FaultyTopic:
    """A topic whose producers accept nothing while `full` is set; `accepted` lists the keys of accepted records."""

    def __init__(self, topic: FillTopic) -> None:
        self._topic = topic
        self.full = threading.Event()
        self.accepted: list[bytes] = []

    def producer(self) -> FillProducer:
        return _Producer(self, self._topic.producer())

    def consumer(self, group: str) -> FillConsumer:
        return self._topic.consumer(group)

    def dead_letters(self) -> DeadLetters:
        return self._topic.dead_letters()

    def close(self) -> None:
        self._topic.close()


class _Producer:
    def __init__(self, topic: FaultyTopic, producer: FillProducer) -> None:
        self._topic = topic
        self._producer = producer

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        if self._topic.full.is_set() or not self._producer.produce(key, value, headers):
            return False
        self._topic.accepted.append(key)
        return True

    def pending(self) -> int:
        return self._producer.pending()

    def losses(self) -> Losses:
        return self._producer.losses()

    def close(self, timeout: timedelta) -> int:
        return self._producer.close(timeout)
