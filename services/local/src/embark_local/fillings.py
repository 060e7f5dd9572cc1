"""What fills the spaces of the local mode: a Retina and a KFC for each, started and stopped while look-ups go on."""

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
from kfc.fill.service import KfcService
from retina.dialling import Connect


@dataclass(frozen=True, slots=True)
class Filling:
    """A running Retina and the KFC that asks it."""

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
        kfc = KfcService(settings, store, consumer, dead_letters, encoder, clock=clock, registry=CollectorRegistry())
        kfc.start()
        stack.callback(kfc.stop)
        yield kfc


class Fillings:
    """The fillings that run now, by space; one thread at a time starts and stops them."""

    def __init__(
        self, store: EmbeddingStore, topic: FillTopic, *, models: Path, connect: Connect | None, clock: Clock
    ) -> None:
        self._store = store
        self._topic = topic
        self._models = models
        self._connect = connect
        self._clock = clock
        self._running: dict[str, tuple[KfcService, ExitStack]] = {}

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
            self._running[settings.kfc.space.id] = kfc, stack.pop_all()
        return Filling(target, probes, kfc)

    def stop(self, space: str) -> None:
        """Stop what fills a space, if anything does, KFC first."""
        _, stack = self._running.pop(space, (None, ExitStack()))
        stack.close()

    def close(self) -> None:
        """Stop all."""
        for space in list(self._running):
            self.stop(space)

    def failure(self) -> Exception | None:
        """Return the fault that stopped a KFC, if one did."""
        return next((kfc.failure for kfc, _ in list(self._running.values()) if kfc.failure is not None), None)


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
