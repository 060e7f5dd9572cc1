"""The three services, wired together in one process."""

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
from embark.rollout.advance import advance
from embark.rollout.state import RolloutState
from embark.rollout.step import ObservedRollout
from embark.settings import CacheSettings, EmbArkSettings, FillingSettings, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache
from embark.store.sqlite.adapter import SqliteStore
from embark.topic import FillTopic
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.cache_file import CacheFile, with_manifest, with_status, with_version
from embark_local.carrier import Carrier, ServedSpaceIds
from embark_local.context import LocalContext
from embark_local.fillings import Filling, Fillings, run_kfc
from embark_local.folders import claimed, forget
from embark_local.reporters import Reporter, SilentReporter
from embark_local.rollout import LocalRollout, build_status, restore_rollout, to_datetime
from embark_local.space_settings import LOOPBACK, filling_settings, on_loopback, serving_settings
from embark_server.guarded_store import ServedStore
from embark_server.server import EmbArkServer
from kfc.fill.service import KfcService
from retina.dialling import Connect

__all__ = ["LOOPBACK", "Local", "LocalOptions", "on_loopback", "run_embark_and_kfc", "run_local", "run_services"]

# Records still queued in memory are written to the file within this time, or counted as lost.
FLUSH: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """The parameters of `embark local` besides the manifest."""

    data: Path
    """The folder of the cache's state."""
    models: Path
    """The folder of models by digest."""
    grpc_port: int = 0
    """0 picks a free one."""
    fresh: bool = False
    """Delete the state of earlier runs."""
    approved: bool = False
    """Approve the re-embedding of a cache whose spec.rollout.approval is Manual."""
    oov_vector: tuple[float, ...] | None = None
    """For spec.miss.oov Vector."""
    certificates: Path | None = None
    """The folder of EmbArk's certificates, for spec.tls; without it calls are in plain text."""


@dataclass(frozen=True, slots=True)
class Local:
    """A running cache: its addresses, and the space that it served at its start."""

    cache: str
    space: str
    target: str
    retina: str
    probes: Mapping[str, str]
    failure: Callable[[], Exception | None]
    """Return the exception that stopped a part of it, if one did."""
    rollout: LocalRollout | None = None
    """None where the services run on a store of the caller's."""


@contextmanager
def run_local(
    cache: EmbeddingCache,
    options: LocalOptions,
    *,
    connect: Connect | None = None,
    reporter: Reporter | None = None,
    clock: Clock = now,
) -> Iterator[Local]:
    """Run a cache on the SQLite file in the data folder until the block ends; earlier fills are completed first.

    If the folder holds another space than the cache's encoder writes, that space is served until the new one is filled.
    `reporter` receives the progress of that rollout.

    Raises:
        EmbArkError: the folder is in use, a certificate cannot be used, or Retina refuses the model.
    """
    settings_for(cache, oov_vector=options.oov_vector)  # refuses a vector that is not of the cache's own space
    with ExitStack() as stack:
        database = stack.enter_context(claimed(options.data))
        if options.fresh:
            forget(options.data)
        file = CacheFile(options.data)
        declared, state = _declare(file, cache, clock, approved=options.approved)
        previous = state.spaces.previous
        settings = serving_settings(
            declared,
            state.active.encoder,
            previous.encoder if previous else None,
            oov_vector=options.oov_vector,
            grpc_port=options.grpc_port,
            certificates=options.certificates,
        )
        store = SqliteStore(database, clock)
        stack.callback(store.close)
        store.ensure_space(settings.embark.active.id)
        topic = SqliteTopic(database, cache.spec.topic.kafka.partitions, clock=clock)
        stack.callback(topic.close)
        fillings = Fillings(store, topic, models=options.models, connect=connect, clock=clock)
        stack.callback(fillings.close)
        filling = _start_active(fillings, declared, state)
        # Not before its Retina runs: an encoder that never worked must not become the folder's.
        status = build_status(declared.status, state, generation=declared.metadata.generation)
        file.update(lambda body: with_status(with_manifest(body, cache, approved=options.approved), status))
        embark = stack.enter_context(_running_embark(settings.embark, store, topic, clock))
        reporter, stopping = reporter or SilentReporter(), threading.Event()
        context = LocalContext(
            cache=declared,
            store=store,
            topic=topic,
            fillings=fillings,
            clock=clock,
            lookup_times=embark.lookup_times,
            reporter=reporter,
        )
        carrier = Carrier(
            context,
            ServedSpaceIds.wanted_by(state),
            outages=context.new_outages(stopping),
            switch=embark.switch,
            oov_vector=options.oov_vector,
            on_progress=reporter.show,
        )
        rollout = LocalRollout(file, carrier, state, reporter=reporter, clock=clock, stopping=stopping)
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


def _declare(
    file: CacheFile, cache: EmbeddingCache, clock: Clock, *, approved: bool
) -> tuple[EmbeddingCache, RolloutState]:
    """Return the cache with its manifest applied, and the state after the step that follows, such as a rollback.

    Nothing is written.
    """
    body = file.read()
    declared = file.parse(with_version(body, with_manifest(body, cache, approved=approved)))
    state = restore_rollout(declared)
    if declared.spec.paused:
        return declared, state
    return declared, advance(state, declared, ObservedRollout(), to_datetime(clock()))


def _start_active(fillings: Fillings, cache: EmbeddingCache, state: RolloutState) -> Filling:
    active = state.active
    try:
        return fillings.start(filling_settings(cache, active.encoder, active.source))
    except EmbArkError as error:
        if active.id == Space.from_encoder(cache.spec.encoder).id:
            raise
        message = f"space {active.id}, which is served until the manifest's own is filled, can no longer be filled"
        raise EmbArkError(f"{message}: {error}; restore its model, or delete its rows with --fresh") from error


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
