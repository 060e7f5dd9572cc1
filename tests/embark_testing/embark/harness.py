"""A running lookup server for tests, with a store that can fail or hang and a producer that records its fills."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import numpy as np
from prometheus_client import CollectorRegistry

from embark.clock import Clock, Micros
from embark.errors import UnavailableError
from embark.settings import EmbArkSettings, Listen, settings_for
from embark.spec import EmbeddingCache
from embark.statuses import KeyStatus
from embark.store import Embedding, Row, Served
from embark.store.memory import MemoryStore
from embark.topic import Fill, FillProducer, Losses
from embark.v1 import embark_pb2 as pb
from embark.v1.embark_pb2_grpc import EmbArkServiceStub
from embark_server.guarded_store import GuardedStore, ServedStore
from embark_server.metrics import EmbArkMetrics
from embark_server.server import EmbArkServer
from embark_testing.fake_clock import FakeClock
from embark_testing.faults import FaultyStore

DIMENSION = 4
NBYTES = 4 * DIMENSION
ZEROS = bytes(NBYTES)


def embark_settings(
    *, oov_vector: Sequence[float] | None = None, previous: bool = False, drain: str = "10s", **sections: dict[str, Any]
) -> EmbArkSettings:
    """Return settings with a small space and free ports of 127.0.0.1; `sections` are added to the spec."""
    spec = {
        "encoder": {
            "model": {"uri": "file:///model.onnx", "digest": f"sha256:{'0' * 64}"},
            "modality": "image",
            "preprocessing": "imagenet-224",
            "output": {"dimension": DIMENSION} | sections.pop("output", {}),
        },
        "store": {"cassandra": {"contactPoints": ["cassandra"], "keyspace": "k"}} | sections.pop("store", {}),
        "topic": {"kafka": {"bootstrapServers": ["kafka:9092"]}},
        # Long enough that no test exceeds it by accident.
        "embark": {"readTimeout": "20s"} | sections.pop("embark", {}),
    } | sections
    document = {"apiVersion": "embark.dev/v1alpha1", "kind": "EmbeddingCache", "metadata": {"name": "c"}, "spec": spec}
    settings = settings_for(EmbeddingCache.model_validate(document), oov_vector=oov_vector).embark
    older = settings.active.model_copy(update={"model_digest": f"sha256:{'1' * 64}"})
    listen = Listen.model_validate({"host": "127.0.0.1", "grpcPort": 0, "probesPort": 0, "drain": drain})
    return settings.model_copy(update={"listen": listen, "previous": older if previous else None})


def vector(seed: float) -> bytes:
    """Return a vector whose every element is `seed`."""
    return np.full(DIMENSION, seed, "<f4").tobytes()


class CommandedStore(FaultyStore):
    """A MemoryStore that records reads and deletes, fails while `failing` is set, and hangs while `gate` is not set."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MemoryStore(clock))
        self.reads: list[Sequence[str]] = []
        self.deletes: list[tuple[str, Sequence[str], Micros]] = []
        self.gate = threading.Event()
        self.gate.set()

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        self._wait_for_gate(keys, timeout)
        return super().read(space, keys, timeout)

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        self._wait_for_gate(keys, timeout)
        return super().lookup(space, keys, timeout)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        super().delete(space, keys, at)
        self.deletes.append((space, keys, at))

    def _wait_for_gate(self, keys: Sequence[str], timeout: timedelta) -> None:
        self.reads.append(keys)
        if not self.gate.wait(timeout.total_seconds()):
            raise UnavailableError("store", "no answer in time")


def guarded_store(store: ServedStore) -> GuardedStore:
    """Return the store as the server sees it, with a clock and metrics of its own."""
    return GuardedStore(store, embark_settings().serving, FakeClock(), EmbArkMetrics(CollectorRegistry()))


@dataclass
class RecordingProducer:
    """A FillProducer that records its fills, rejects them while `full`, and reports the losses that a test sets."""

    full: bool = False
    lost: Losses = field(default_factory=Losses)
    fills: list[Fill] = field(default_factory=list)
    records: list[tuple[bytes, Mapping[str, bytes]]] = field(default_factory=list)

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        if self.full:
            return False
        self.fills.append(Fill.from_bytes(value))
        self.records.append((key, headers))
        return True

    def pending(self) -> int:
        return len(self.fills)

    def losses(self) -> Losses:
        return self.lost

    def close(self, timeout: timedelta) -> int:  # noqa: ARG002 - nothing is in flight
        return 0


@dataclass
class Harness:
    """A running server, its store and producer, and a client."""

    settings: EmbArkSettings
    clock: FakeClock
    store: CommandedStore
    producer: RecordingProducer
    registry: CollectorRegistry
    server: EmbArkServer
    channel: grpc.Channel
    stub: EmbArkServiceStub

    @property
    def space(self) -> str:
        """The id of the active space."""
        return self.settings.active.id

    @property
    def target(self) -> str:
        """The address of the server."""
        return f"127.0.0.1:{self.server.port}"

    def write(self, rows: Mapping[str, bytes], space: str = "", expires_at: Micros | None = None) -> None:
        """Write embeddings directly to the store."""
        self.clock.advance(timedelta(milliseconds=1))
        at = self.clock()
        embeddings = [Embedding(key, row, at, expires_at=expires_at) for key, row in rows.items()]
        self.store.write(space or self.space, embeddings)

    def lookup(self, *keys: str | bytes, **fields: Any) -> pb.LookupResponse:
        """Look up keys; `fields` are added to the request."""
        encoded = [key.encode() if isinstance(key, str) else key for key in keys]
        return self.stub.Lookup(pb.LookupRequest(keys=encoded, **fields), timeout=30)

    def counted(self, name: str, **labels: str) -> float:
        """Return the value of a metric, or 0 if it has none."""
        return self.registry.get_sample_value(name, labels) or 0.0


def read_rows(response: pb.LookupResponse) -> list[bytes]:
    """Return the rows of a reply, one per key."""
    return [response.vectors[start : start + NBYTES] for start in range(0, len(response.vectors), NBYTES)]


def read_statuses(
    response: pb.LookupResponse | pb.PrefetchResponse | pb.PutResponse | pb.InvalidateResponse,
) -> list[KeyStatus]:
    """Return the statuses of a reply."""
    return [KeyStatus(status) for status in response.statuses]


@contextmanager
def running(
    settings: EmbArkSettings | None = None,
    producer: FillProducer | None = None,
    rows: Mapping[str, bytes] | None = None,
) -> Iterator[Harness]:
    """Run a server and a client; `rows` are in the store from the start."""
    settings = settings or embark_settings()
    clock, registry, recording = FakeClock(), CollectorRegistry(), RecordingProducer()
    store = CommandedStore(clock)
    for space in filter(None, (settings.active, settings.previous)):
        store.ensure_space(space.id)
    store.write(settings.active.id, [Embedding(key, row, clock()) for key, row in (rows or {}).items()])
    server = EmbArkServer(settings, store, producer or recording, clock=clock, registry=registry)
    try:
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = EmbArkServiceStub(channel)
            yield Harness(settings, clock, store, recording, registry, server, channel, stub)
    finally:
        store.gate.set()
        server.stop()
