"""A KFC on a topic and a store in memory, with a scripted encoder, store, consumer and clock."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry

from embark.errors import UnavailableError
from embark.settings import KfcSettings
from embark.store import Embedding, Negative, Row
from embark.store.memory import MemoryStore
from embark.topic import DeadLetters, Fill, Record
from embark.topic.memory import MemoryTopic
from embark.v1 import fills_pb2
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.faults import FaultyStore
from embark_testing.kfc.parts import FakeEncoder, TellingConsumer, kfc_settings
from kfc.encoder import EncoderClient
from kfc.fill.service import FillBackends, FillLimits, KfcService

PATIENT = timedelta(seconds=5)


class FailingDeadLetters:
    """Fails the first `failures` appends to `letters`."""

    def __init__(self, letters: DeadLetters, failures: int) -> None:
        self._letters = letters
        self.left = failures

    def append(self, key: bytes, value: bytes) -> None:
        if self.left:
            self.left -= 1
            raise UnavailableError("kafka", "switched off by the test")
        self._letters.append(key, value)

    def read(self, limit: int = 100) -> list[Record]:
        return list(self._letters.read(limit))


class KfcHarness:
    """The surroundings of KFCs; `close` stops those that `kfc` created."""

    def __init__(
        self, settings: KfcSettings | None = None, partitions: int = 4, limits: FillLimits | None = None
    ) -> None:
        self.limits = limits
        self.settings = settings or kfc_settings()
        self.space = self.settings.space.id
        self.clock = FakeClock()
        self.memory = MemoryStore(self.clock)
        self.memory.ensure_space(self.space)
        self.store = FaultyStore(self.memory)
        self.topic = MemoryTopic(partitions)
        self.dead_letters: DeadLetters = self.topic.dead_letters()
        self.producer = self.topic.producer()
        self.encoder = FakeEncoder()
        self.consumer = TellingConsumer(self.topic.consumer(self.settings.consumer_group))
        self.registry = CollectorRegistry()
        self._started: list[KfcService] = []

    def kfc(self, encoder: EncoderClient | None = None) -> KfcService:
        """Return a new KFC, not started, on the current consumer and registry."""
        kfc = KfcService(
            self.settings,
            FillBackends(self.store, self.consumer, self.dead_letters, encoder or self.encoder),
            clock=self.clock,
            registry=self.registry,
            limits=self.limits,
        )
        self._started.append(kfc)
        return kfc

    def start(self, encoder: EncoderClient | None = None) -> KfcService:
        kfc = self.kfc(encoder)
        kfc.start()
        return kfc

    def join_again(self) -> None:
        """Create a new consumer of the group and a new registry, as a restarted process does."""
        self.consumer = TellingConsumer(self.topic.consumer(self.settings.consumer_group))
        self.registry = CollectorRegistry()

    def request(self, keys: Iterable[str], not_before: int = 0, traceparent: str = "") -> None:
        headers = {"traceparent": traceparent.encode()} if traceparent else {}
        for key in keys:
            fill = Fill(key.encode(), self.clock(), not_before)
            assert self.producer.produce(key.encode(), fill.to_bytes(), headers)

    def row(self, key: str) -> Row | None:
        return self.memory.read(self.space, [key], PATIENT).get(key)

    def embedding(self, key: str) -> Embedding | None:
        row = self.row(key)
        return row if isinstance(row, Embedding) else None

    def negative(self, key: str) -> Negative | None:
        row = self.row(key)
        return row if isinstance(row, Negative) else None

    def letters(self) -> list[fills_pb2.DeadLetter]:
        return [fills_pb2.DeadLetter.FromString(record.value) for record in self.dead_letters.read(10_000)]

    def lag(self) -> int:
        """Return the lag of the group, as another member measures it."""
        other = self.topic.consumer(self.settings.consumer_group)
        try:
            return other.lag()
        finally:
            other.close()

    def until_done(self) -> None:
        eventually(lambda: self.lag() == 0, what="every record is committed")

    def until(self, condition: Callable[[], object], what: str) -> None:
        eventually(condition, what=what)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"embark_kfc_{name}", labels) or 0.0

    def close(self) -> None:
        for kfc in self._started:
            kfc.stop()
        self.topic.close()
        self.memory.close()


def probe(kfc: KfcService, path: str) -> tuple[int, str]:
    """Return status and body of a probe."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{kfc.probes_port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
