"""KFC, the real Retina and an origin of photographs, each in its own process, and a producer of fill requests."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, cycle, islice
from typing import Final

from benchmarks.children import Child, child
from benchmarks.subjects import photographs, retina_encoder, run_kfc, run_retina
from embark.causes import Cause
from embark.clock import now
from embark.settings import CacheSettings, TopicSettings
from embark.topic import Fill, FillProducer
from embark.topic.kafka.adapter import KafkaTopic
from embark_testing.caches import SAMPLES
from kfc.encoder import EncoderClient

PATIENCE: Final = 120.0
_FLUSH: Final = timedelta(seconds=10)
_NUMBERS: Final = count()
_PHOTOS: Final = sorted(path.name for path in (SAMPLES / "photos").glob("*.jpg"))


@dataclass(frozen=True)
class Pipeline:
    """The processes that fill a cache; `settings` name the running Retina."""

    settings: CacheSettings
    retina: Child
    kfc: Child
    origin: str

    def urls(self, amount: int) -> list[str]:
        """Return keys that were not requested yet."""
        return [f"{self.origin}{name}?{next(_NUMBERS)}" for name in islice(cycle(_PHOTOS), amount)]


@contextmanager
def pipeline(settings: CacheSettings, *, retina_cores: frozenset[int] | None = None) -> Iterator[Pipeline]:
    """Run KFC, Retina and the origin until the block ends; Retina on `retina_cores`, as in child()."""
    with ExitStack() as stack:
        origin = stack.enter_context(child(photographs))
        retina = stack.enter_context(child(run_retina, settings.retina, cores=retina_cores))
        target = f"127.0.0.1:{retina.serving}"
        settings = settings._replace(kfc=settings.kfc.model_copy(update={"retina": target}))
        kfc = stack.enter_context(child(run_kfc, settings.kfc, retina_encoder))
        yield Pipeline(settings, retina, kfc, origin.serving)


def encode(encoder: EncoderClient, urls: Sequence[str]) -> None:
    """Encode the URLs in one call.

    Raises:
        RuntimeError: one was not encoded: the benchmark would measure something else.
    """
    for url, outcome in zip(urls, encoder.encode(urls, None), strict=True):
        if isinstance(outcome, Cause):
            raise RuntimeError(f"{url}: {outcome}")  # noqa: TRY004 - not a type error


class Asker:
    """Produces fill requests, as EmbArk does."""

    def __init__(self, producer: FillProducer) -> None:
        self._producer = producer
        self.requested = 0

    def request(self, keys: Sequence[str]) -> int:
        """Request keys; return how many were requested so far."""
        for key in keys:
            raw = key.encode()
            if not self._producer.produce(raw, Fill(raw, now()).to_bytes(), {}):
                raise RuntimeError(f"the topic does not take {key}")
        self.requested += len(keys)
        return self.requested


@contextmanager
def asking(settings: TopicSettings) -> Iterator[Asker]:
    """Open a producer until the block ends."""
    with closing(KafkaTopic(settings)) as topic:
        producer = topic.producer()
        yield Asker(producer)
        producer.close(_FLUSH)
