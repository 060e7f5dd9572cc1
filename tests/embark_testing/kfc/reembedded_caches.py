"""A cache on real servers whose spaces are re-embedded from one another by processes."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from embark.backends import Secrets, open_store, open_topic
from embark.clock import now
from embark.rollout.verdict import Verdict
from embark.settings import (
    CacheSettings,
    DropSettings,
    EmbArkSettings,
    KfcSettings,
    Listen,
    ReembedSettings,
    VerifySettings,
    settings_for,
)
from embark.store import Embedding, RolloutStore, Row
from embark.termination import TerminationMessage
from embark.topic import Fill
from embark_testing.caches import sample
from embark_testing.deployments.processes import Service, service
from embark_testing.kfc.fake_retina import FakeRetina, RetinaServer
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_server import KafkaServer
from kfc.schema import __main__ as schema
from kfc.schema import drop

DIMENSION = 2
ITEMS = 16
INFLIGHT = 2
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class ReembeddedCache:
    """A cache with its own keyspace and topics; its spaces are numbered from 0."""

    name: str
    settings: CacheSettings
    folder: Path

    @property
    def first(self) -> KfcSettings:
        """The settings of KFC as the manifest has them."""
        return self.settings.kfc

    def space(self, number: int, source: int | None = None, retina: str = "127.0.0.1:1") -> KfcSettings:
        """Return the settings of a space; `retina` is the target of its Retina."""
        fields = {"model_digest": f"sha256:{number:064x}", "dimension": DIMENSION}
        space = self.first.space.model_copy(update=fields)
        changes = {
            "space": space,
            "consumer_group": f"{self.name}.{space.id}",
            "source": "" if source is None else self.space(source).space.id,
            "retina": retina,
        }
        return self.first.model_copy(update=changes)

    def make(self, settings: KfcSettings) -> None:
        """Run the schema command in this process."""
        schema.run(settings, Secrets())

    def drop(self, settings: KfcSettings) -> None:
        """Run the drop command in this process."""
        drop.run(DropSettings(kfc=settings), Secrets())

    def start(self, module: str, settings: KfcSettings) -> AbstractContextManager[Service]:
        """Start a service with probes of its own."""
        return service(module, _with_free_probes(settings), self.folder)

    def reembed(
        self, settings: KfcSettings, index: int = 0, processes: int = 1, **fields: Any
    ) -> AbstractContextManager[Service]:
        """Start one of the processes of a re-embedding."""
        kfc = _with_free_probes(settings)
        form = ReembedSettings.model_validate({"kfc": kfc, "processes": processes} | fields)
        return service("kfc.reembed", form, self.folder, JOB_COMPLETION_INDEX=str(index))

    def embark(self, number: int) -> EmbArkSettings:
        """Return the settings of an EmbArk that serves a space."""
        grpc_port, probes_port = free_ports("127.0.0.1", 2)
        listen = Listen(host="127.0.0.1", grpc_port=grpc_port, probes_port=probes_port)
        return self.settings.embark.model_copy(update={"active": self.space(number).space, "listen": listen})

    def verify(self, settings: KfcSettings) -> Verdict:
        """Run the verify command with the gate that specs have by default."""
        path = self.folder / "verdict.json"
        gate = {"min_coverage": "0.99", "max_failure_ratio": "0.01", "termination_log": str(path)}
        form = VerifySettings.model_validate({"kfc": _with_free_probes(settings)} | gate)
        with service("kfc.verify", form, self.folder) as verifying:
            assert verifying.wait() == 0, verifying.log.read_text()
        verdict = TerminationMessage.model_validate_json(path.read_text()).verdict
        assert verdict
        return verdict

    @contextmanager
    def store(self) -> Iterator[RolloutStore]:
        """Open the store of the cache."""
        with closing(open_store(self.first.store, Secrets())) as store:
            yield store

    def fill(self, number: int, keys: Sequence[str]) -> None:
        """Write embeddings directly to the store."""
        vector = partial(space_vector, number)
        with self.store() as store:
            store.write(self.space(number).space.id, [Embedding(key, vector(key), now()) for key in keys])

    def rows(self, number: int) -> dict[str, Row]:
        """Return every row of a space by its key."""
        with self.store() as store:
            return {row.key: row for page in store.scan(self.space(number).space.id) for row in page}

    def vectors(self, number: int) -> dict[str, bytes]:
        """Return the vectors of a space by key."""
        return {key: row.vector for key, row in self.rows(number).items() if isinstance(row, Embedding)}

    def progress(self, number: int) -> tuple[int, int, int]:
        """Return how many ranges are finished, and how many of their keys are done and have failed."""
        with self.store() as store:
            stored = store.checkpoints().load(self.space(number).space.id)
        return sum(one.finished for one in stored), sum(one.done for one in stored), sum(one.failed for one in stored)

    def request(self, keys: Sequence[str]) -> None:
        """Produce fill requests."""
        with closing(open_topic(self.first.topic, Secrets())) as topic:
            producer = topic.producer()
            for key in keys:
                assert producer.produce(key.encode(), Fill(key.encode(), now()).to_bytes(), {})
            assert producer.close(_PATIENCE) == 0


def _with_free_probes(settings: KfcSettings) -> KfcSettings:
    [port] = free_ports("127.0.0.1", 1)
    return settings.model_copy(update={"listen": Listen(host="127.0.0.1", probes_port=port)})


def reembedded_cache(cassandra: CassandraServer, kafka: KafkaServer, folder: Path) -> ReembeddedCache:
    """Return a cache without tables and topics; few of its keys are encoded at a time."""
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = sample(
        "photos",
        encoder={"batch": {"maxSize": ITEMS}},
        store={"cassandra": {"contactPoints": [cassandra.host], "port": cassandra.port, "keyspace": name}},
        topic={"kafka": {"bootstrapServers": [kafka.bootstrap], "name": f"{name}.fills", "partitions": 3}},
        kfc={"maxInflight": INFLIGHT},
        embark={"readTimeout": "5s"},
    )
    return ReembeddedCache(name, settings_for(cache), folder)


def space_vector(number: int, key: str) -> bytes:
    """Return the vector of a key in a space: finite numbers, which differ between spaces."""
    digest = hashlib.sha256(f"{number} {key}".encode()).digest()[: 4 * DIMENSION]
    return np.frombuffer(digest, "<u4").astype("<f4").tobytes()


class CountingRetina:
    """The Retina of a space, which can be killed and restarted; `fake` counts the encoded keys."""

    def __init__(self, cache: ReembeddedCache, number: int, delay: Callable[[], object]) -> None:
        self.fake = FakeRetina(cache.space(number).space.id, partial(space_vector, number))
        self.fake.delay = delay
        self._server = RetinaServer(self.fake)
        self.target = self._server.target

    def kill(self) -> None:
        """Stop it, with the calls in flight."""
        self._server.stop()

    def start(self) -> None:
        """Restart it on the same port."""
        self._server = RetinaServer(self.fake, self._server.port)

    @property
    def encoded(self) -> int:
        """Number of encodes, repeated ones included."""
        return self.fake.times.total()
