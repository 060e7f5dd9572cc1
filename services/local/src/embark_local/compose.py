"""The three services wired together in one process; the command, the demo, the benchmarks and the tests run this."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from embark.clock import Clock, now
from embark.settings import CacheSettings, Listen, settings_for
from embark.spec import EmbeddingCache
from embark.store import EmbeddingStore
from embark.store.sqlite import SqliteStore
from embark.topic import Topic
from embark.topic.sqlite import SqliteTopic
from embark_local.folders import claimed, forget
from embark_local.retinas import running_retina
from embark_server.server import EmbArkServer
from kfc.consumer import Kfc
from kfc.encoder import RetinaEncoder
from retina.dialling import Connect

LOOPBACK = "127.0.0.1"
# What is still queued in memory is written to the file within this time, or counted as lost.
FLUSH = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Local:
    """A running cache: where it listens, and its space."""

    cache: str
    space: str
    target: str
    retina: str
    probes: Mapping[str, str]
    failure: Callable[[], Exception | None]
    """Returns the fault that stopped KFC, if one did."""


@contextmanager
def run_local(
    cache: EmbeddingCache,
    *,
    data: Path,
    models: Path,
    grpc_port: int = 0,
    fresh: bool = False,
    oov_vector: tuple[float, ...] | None = None,
    connect: Connect | None = None,
) -> Iterator[Local]:
    """Run a cache on the SQLite file in `data` until the block ends; what was asked before is filled first.

    Raises:
        EmbArkError: the folder is in use, or Retina refuses the model; the message says why.
    """
    settings = on_loopback(settings_for(cache, oov_vector=oov_vector), grpc_port)
    with ExitStack() as stack:
        database = stack.enter_context(claimed(data))
        if fresh:
            forget(data)
        store = SqliteStore(database, now)
        stack.callback(store.close)
        store.ensure_space(settings.embark.active.id)
        topic = SqliteTopic(database, cache.spec.topic.kafka.partitions)
        stack.callback(topic.close)
        local = stack.enter_context(run_services(settings, store, topic, models=models, connect=connect))
        yield local


@contextmanager
def run_services(
    settings: CacheSettings,
    store: EmbeddingStore,
    topic: Topic,
    *,
    models: Path,
    connect: Connect | None = None,
    clock: Clock = now,
) -> Iterator[Local]:
    """Run Retina, KFC and EmbArk on a store and a topic until the block ends; stopped in the reverse order."""
    with (
        running_retina(settings.retina, models, CollectorRegistry(), connect) as retina,
        run_embark_and_kfc(settings, store, topic, f"{LOOPBACK}:{retina.port}", clock=clock) as (embark, kfc),
    ):
        yield Local(
            cache=settings.embark.cache,
            space=settings.embark.active.id,
            target=f"{LOOPBACK}:{embark.port}",
            retina=f"{LOOPBACK}:{retina.port}",
            probes={
                "embark": f"http://{LOOPBACK}:{embark.probes_port}",
                "kfc": f"http://{LOOPBACK}:{kfc.probes_port}",
                "retina": f"http://{LOOPBACK}:{retina.probes_port}",
            },
            failure=lambda: kfc.failure,
        )


@contextmanager
def run_embark_and_kfc(
    settings: CacheSettings, store: EmbeddingStore, topic: Topic, retina: str, *, clock: Clock = now
) -> Iterator[tuple[EmbArkServer, Kfc]]:
    """Run KFC, with the Retina at the gRPC target `retina`, and EmbArk until the block ends."""
    kfc_settings = settings.kfc.model_copy(update={"retina": retina})
    with ExitStack() as stack:
        encoder = RetinaEncoder(retina, kfc_settings.space, kfc_settings.encode_timeout)
        stack.callback(encoder.close)
        kfc = Kfc(
            kfc_settings,
            store,
            topic.consumer(kfc_settings.consumer_group),
            topic.dead_letters(),
            encoder,
            clock=clock,
            registry=CollectorRegistry(),
        )
        kfc.start()
        stack.callback(kfc.stop)
        producer = topic.producer()
        stack.callback(producer.close, FLUSH)
        embark = EmbArkServer(settings.embark, store, producer, clock=clock, registry=CollectorRegistry())
        embark.start()
        stack.callback(embark.stop)
        yield embark, kfc


def on_loopback(settings: CacheSettings, grpc_port: int = 0) -> CacheSettings:
    """Return the settings with every server on 127.0.0.1 and a free port; EmbArk's gRPC port may be chosen."""
    free = Listen(host=LOOPBACK, grpc_port=0, probes_port=0)
    chosen = free.model_copy(update={"grpc_port": grpc_port})
    return CacheSettings(
        embark=settings.embark.model_copy(update={"listen": chosen}),
        kfc=settings.kfc.model_copy(update={"listen": free}),
        retina=settings.retina.model_copy(update={"listen": free}),
    )
