"""A Retina and a KFC for each space that is filled, started and stopped while lookups continue."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from embark.clock import Clock
from embark.settings import FillingSettings, KfcSettings
from embark.store import EmbeddingStore
from embark.topic import FillTopic
from embark_local.retinas import running_retina
from embark_local.space_settings import LOOPBACK
from kfc.encoder import RetinaEncoder
from kfc.fill.service import FillBackends, KfcService
from retina.dialling import Connect


@dataclass(frozen=True, slots=True)
class Filling:
    """A running Retina, and the KFC that calls it."""

    settings: FillingSettings
    """As they were given, without the address of the Retina."""
    retina: str
    """The gRPC target of Retina."""
    probes: Mapping[str, str]
    kfc: KfcService


@contextmanager
def run_kfc(settings: KfcSettings, store: EmbeddingStore, topic: FillTopic, clock: Clock) -> Iterator[KfcService]:
    """Run a KFC with the Retina that its settings name until the block ends."""
    with ExitStack() as stack:
        encoder = RetinaEncoder(settings.retina, settings.space, settings.encode_timeout)
        stack.callback(encoder.close)
        consumer, dead_letters = topic.consumer(settings.consumer_group), topic.dead_letters()
        backends = FillBackends(store, consumer, dead_letters, encoder)
        kfc = KfcService(settings, backends, clock=clock, registry=CollectorRegistry())
        kfc.start()
        stack.callback(kfc.stop)
        yield kfc


class Fillings:
    """The running fillings by space; a space is started and stopped by one thread at a time."""

    def __init__(
        self, store: EmbeddingStore, topic: FillTopic, *, models: Path, connect: Connect | None, clock: Clock
    ) -> None:
        self._store = store
        self._topic = topic
        self._models = models
        self._connect = connect
        self._clock = clock
        self._running: dict[str, tuple[Filling, ExitStack]] = {}

    def start(self, settings: FillingSettings) -> Filling:
        """Run the Retina and the KFC of a space until they are stopped.

        Raises:
            EmbArkError: Retina refuses to start; the message says why.
        """
        with ExitStack() as stack:
            retina = stack.enter_context(
                running_retina(settings.retina, self._models, CollectorRegistry(), self._connect)
            )
            target = f"{LOOPBACK}:{retina.port}"
            addressed = settings.kfc.model_copy(update={"retina": target})
            kfc = stack.enter_context(run_kfc(addressed, self._store, self._topic, self._clock))
            probes = {"kfc": _url(kfc.probes_port), "retina": _url(retina.probes_port)}
            filling = Filling(settings, target, probes, kfc)
            self._running[settings.kfc.space.id] = filling, stack.pop_all()
        return filling

    @property
    def spaces(self) -> frozenset[str]:
        """The spaces that are filled."""
        return frozenset(self._running)

    def find(self, space: str) -> Filling | None:
        """Return the filling of a space, if it runs."""
        filling, _ = self._running.get(space, (None, None))
        return filling

    def stop(self, space: str) -> None:
        """Stop the filling of a space if it runs, KFC first."""
        _, stack = self._running.pop(space, (None, ExitStack()))
        stack.close()

    def close(self) -> None:
        """Stop all."""
        for space in list(self._running):
            self.stop(space)

    def failure(self) -> Exception | None:
        """Return the exception that stopped a KFC, if one did."""
        running = [filling.kfc for filling, _ in list(self._running.values())]
        return next((kfc.failure for kfc in running if kfc.failure is not None), None)


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
