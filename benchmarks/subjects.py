"""EmbArk, KFC and Retina as the benchmarks run them: each in a child process, on a given store and topic.

Every function here is for children.child: its arguments can be pickled.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from embark.clock import now
from embark.settings import EmbArkSettings, KfcSettings, RetinaSettings
from embark.store import RolloutStore
from embark.store.cassandra.adapter import CassandraStore
from embark.store.memory import MemoryStore
from embark.topic import FillProducer, Losses
from embark.topic.kafka.adapter import KafkaTopic
from embark_local.retinas import running_retina
from embark_server.server import EmbArkServer
from embark_testing.origin import Origin
from kfc.encoder import EncodedVector, EncoderClient, RetinaEncoder
from kfc.fill.service import FillBackends, KfcService
from retina.models import models_folder

_POLL_SECONDS = 0.005


class IdleProducer:
    """A FillProducer that only counts its records."""

    def __init__(self) -> None:
        self.count = 0

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:  # noqa: ARG002 - the protocol's
        """Count and accept the record."""
        self.count += 1
        return True

    def pending(self) -> int:
        """Return 0."""
        return 0

    def losses(self) -> Losses:
        """Return zeros."""
        return Losses()

    def close(self, timeout: timedelta) -> int:  # noqa: ARG002 - the protocol's
        """Return 0: nothing is lost."""
        return 0


class FreeEncoder:
    """An Encoder that answers at once, every key with the same vector."""

    def __init__(self, vector: bytes) -> None:
        self._encoded = EncodedVector(vector)

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector]:  # noqa: ARG002 - the protocol's
        """Return a vector for every key."""
        return [self._encoded] * len(keys)


@contextmanager
def run_embark(
    settings: EmbArkSettings,
    open_store: Callable[[EmbArkSettings], AbstractContextManager[RolloutStore]],
    open_producer: Callable[[EmbArkSettings], AbstractContextManager[FillProducer]],
) -> Iterator[int]:
    """Serve lookups; yield the port."""
    with open_store(settings) as store, open_producer(settings) as producer:
        embark = EmbArkServer(settings, store, producer, clock=now, registry=CollectorRegistry())
        embark.start()
        try:
            yield embark.port
        finally:
            embark.stop()


@contextmanager
def run_kfc(
    settings: KfcSettings, open_encoder: Callable[[KfcSettings], AbstractContextManager[EncoderClient]]
) -> Iterator[Callable[[int, float], None]]:
    """Fill from Kafka into Cassandra; yield a function that waits for a number of written rows, or raises."""
    registry = CollectorRegistry()
    with (
        closing(CassandraStore(settings.store, now)) as store,
        closing(KafkaTopic(settings.topic)) as topic,
        open_encoder(settings) as encoder,
    ):
        consumer = topic.consumer(settings.consumer_group)
        backends = FillBackends(store, consumer, topic.dead_letters(), encoder)
        kfc = KfcService(settings, backends, clock=now, registry=registry)
        kfc.start()
        try:
            yield lambda total, patience: await_count(
                lambda: registry.get_sample_value("embark_kfc_fills_total", {"outcome": "written"}) or 0,
                total,
                patience,
            )
        finally:
            kfc.stop()


@contextmanager
def run_retina(settings: RetinaSettings) -> Iterator[int]:
    """Serve the real model; yield the port."""
    with running_retina(settings, models_folder(os.environ), CollectorRegistry()) as running:
        yield running.port


@contextmanager
def photographs() -> Iterator[str]:
    """Serve samples/photos; yield the URL of the folder. With a query, a name is another key with the same bytes."""
    with Origin.serving() as origin:
        yield origin.url("")


def cassandra_store(settings: EmbArkSettings) -> AbstractContextManager[RolloutStore]:
    """Open the store on Cassandra."""
    return closing(CassandraStore(settings.store, now))


@contextmanager
def empty_store(settings: EmbArkSettings) -> Iterator[RolloutStore]:
    """Open an empty store in memory."""
    with closing(MemoryStore(now)) as store:
        store.ensure_space(settings.active.id)
        yield store


@contextmanager
def idle_producer(_: EmbArkSettings) -> Iterator[FillProducer]:
    """Open a producer that does nothing."""
    yield IdleProducer()


@contextmanager
def kafka_producer(settings: EmbArkSettings, capacity: int = 100_000) -> Iterator[FillProducer]:
    """Open a producer on Kafka that holds up to `capacity` records."""
    with closing(KafkaTopic(settings.topic, capacity=capacity)) as topic:
        yield topic.producer()


@contextmanager
def free_encoder(settings: KfcSettings) -> Iterator[EncoderClient]:
    """Open an encoder that costs nothing."""
    yield FreeEncoder(bytes(settings.space.form.nbytes))


def retina_encoder(settings: KfcSettings) -> AbstractContextManager[EncoderClient]:
    """Open the encoder that calls Retina."""
    return closing(RetinaEncoder(settings.retina, settings.space, settings.encode_timeout))


def await_count(count: Callable[[], float], total: int, patience: float) -> None:
    """Wait until `count` reaches `total`.

    Raises:
        TimeoutError: it has not reached it within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while count() < total:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count():.0f} of {total} after {patience:.0f} s")
        time.sleep(_POLL_SECONDS)
