"""The three services wired together in one process; the command, the demo, the benchmarks and the tests run this."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from embark.clock import Clock, now
from embark.errors import EmbArkError
from embark.settings import CacheSettings, EmbArkSettings, FillingSettings, settings_for
from embark.spec import EmbeddingCache
from embark.store.sqlite.adapter import SqliteStore
from embark.topic import FillTopic
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.fillings import Filling, Fillings, run_kfc
from embark_local.folders import claimed, forget
from embark_local.kept_spaces import KeptSpaces
from embark_local.opened import Opened
from embark_local.rollout_files import read_kept, write_kept
from embark_local.rollouts import LocalRollout, moment
from embark_local.space_settings import LOOPBACK, on_loopback, serving_settings
from embark_local.viewers import Nobody, Viewer
from embark_server.guarded_store import ServedStore
from embark_server.server import EmbArkServer
from kfc.backoff import outage_backoff
from kfc.fill.service import KfcService
from kfc.metrics import KfcMetrics
from kfc.outages import Outages
from retina.dialling import Connect

__all__ = ["LOOPBACK", "Local", "on_loopback", "run_embark_and_kfc", "run_local", "run_services"]

# What is still queued in memory is written to the file within this time, or counted as lost.
FLUSH: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Local:
    """A running cache: where it listens, and the space that it served at its start."""

    cache: str
    space: str
    target: str
    retina: str
    probes: Mapping[str, str]
    failure: Callable[[], Exception | None]
    """Returns the fault that stopped a part of it, if one did."""
    rollout: LocalRollout | None = None
    """What re-embeds and switches; None where the services run on a store of the caller's."""


@contextmanager
def run_local(
    cache: EmbeddingCache,
    *,
    data: Path,
    models: Path,
    grpc_port: int = 0,
    fresh: bool = False,
    oov_vector: tuple[float, ...] | None = None,
    certificates: Path | None = None,
    connect: Connect | None = None,
    approved: bool = False,
    viewer: Viewer | None = None,
    clock: Clock = now,
) -> Iterator[Local]:
    """Run a cache on the SQLite file in `data` until the block ends; what was asked before is filled first.

    Where the folder holds another space than the cache's encoder writes, that one is served until the new one is
    filled; `viewer` is told of it, and `approved` stands for an approval that spec.rollout asks for. `certificates` is
    a folder with those of EmbArk, for spec.tls.

    Raises:
        EmbArkError: the folder is in use, a certificate cannot be used, or Retina refuses the model; it says why.
    """
    settings_for(cache, oov_vector=oov_vector)  # refuses a vector that is not of the cache's own space
    stopping = threading.Event()
    with ExitStack() as stack:
        database = stack.enter_context(claimed(data))
        if fresh:
            forget(data)
        kept = _settled(cache, data, clock, approved=approved)
        previous = kept.previous.encoder if kept.previous else None
        settings = serving_settings(
            cache, kept.active, previous, oov_vector=oov_vector, grpc_port=grpc_port, certificates=certificates
        )
        store = SqliteStore(database, clock)
        stack.callback(store.close)
        store.ensure_space(settings.embark.active.id)
        topic = SqliteTopic(database, cache.spec.topic.kafka.partitions, clock=clock)
        stack.callback(topic.close)
        fillings = Fillings(store, topic, models=models, connect=connect, clock=clock)
        stack.callback(fillings.close)
        filling = _start_active(fillings, settings, candidate=kept.candidate is not None)
        # Not before its Retina runs: an encoder that never worked must not become what the folder holds.
        write_kept(data, kept)
        embark = stack.enter_context(_running_embark(settings.embark, store, topic, clock))
        outages = Outages(
            outage_backoff(cache.spec.topic.retry, random.random), stopping, KfcMetrics(CollectorRegistry())
        )
        opened = Opened(
            path=data,
            cache=cache,
            store=store,
            topic=topic,
            fillings=fillings,
            outages=outages,
            clock=clock,
            lookup_times=embark.lookup_times,
        )
        rollout = LocalRollout(
            opened,
            kept,
            switch=embark.switch,
            oov_vector=oov_vector,
            viewer=viewer or Nobody(),
            stopping=stopping,
        )
        rollout.start()
        stack.callback(rollout.stop)
        yield _local(settings.embark, embark, filling, lambda: fillings.failure() or rollout.failure, rollout)


@contextmanager
def run_services(
    settings: CacheSettings,
    store: ServedStore,
    topic: FillTopic,
    *,
    models: Path,
    connect: Connect | None = None,
    clock: Clock = now,
) -> Iterator[Local]:
    """Run Retina, KFC and EmbArk on a store and a topic until the block ends; stopped in the reverse order."""
    with ExitStack() as stack:
        fillings = Fillings(store, topic, models=models, connect=connect, clock=clock)
        stack.callback(fillings.close)
        filling = fillings.start(FillingSettings(settings.kfc, settings.retina))
        embark = stack.enter_context(_running_embark(settings.embark, store, topic, clock))
        yield _local(settings.embark, embark, filling, fillings.failure)


@contextmanager
def run_embark_and_kfc(
    settings: CacheSettings, store: ServedStore, topic: FillTopic, retina: str, *, clock: Clock = now
) -> Iterator[tuple[EmbArkServer, KfcService]]:
    """Run KFC, with the Retina at the gRPC target `retina`, and EmbArk until the block ends."""
    addressed = settings.kfc.model_copy(update={"retina": retina})
    with (
        run_kfc(addressed, store, topic, clock) as kfc,
        _running_embark(settings.embark, store, topic, clock) as embark,
    ):
        yield embark, kfc


@contextmanager
def _running_embark(
    settings: EmbArkSettings, store: ServedStore, topic: FillTopic, clock: Clock
) -> Iterator[EmbArkServer]:
    with ExitStack() as stack:
        producer = topic.producer()
        stack.callback(producer.close, FLUSH)
        embark = EmbArkServer(settings, store, producer, clock=clock, registry=CollectorRegistry())
        embark.start()
        stack.callback(embark.stop)
        yield embark


def _settled(cache: EmbeddingCache, data: Path, clock: Clock, *, approved: bool) -> KeptSpaces:
    """Return what the spaces in the folder are to become."""
    wanted = cache.spec.encoder
    kept = (read_kept(data) or KeptSpaces(active=wanted)).settle(wanted, moment(clock()))
    return kept.approve() if approved else kept


def _start_active(fillings: Fillings, settings: CacheSettings, *, candidate: bool) -> Filling:
    try:
        return fillings.start(FillingSettings(settings.kfc, settings.retina))
    except EmbArkError as error:
        if not candidate:
            raise
        space = settings.embark.active.id
        what = f"space {space}, which is served until the manifest's own is filled, cannot be filled any more: {error}"
        raise EmbArkError(f"{what}; give its model back, or forget its rows with --fresh") from error


def _local(
    settings: EmbArkSettings,
    embark: EmbArkServer,
    filling: Filling,
    failure: Callable[[], Exception | None],
    rollout: LocalRollout | None = None,
) -> Local:
    return Local(
        cache=settings.cache,
        space=settings.active.id,
        target=f"{LOOPBACK}:{embark.port}",
        retina=filling.retina,
        probes={"embark": f"http://{LOOPBACK}:{embark.probes_port}", **filling.probes},
        failure=failure,
        rollout=rollout,
    )
