"""The re-embedding with a free encoder in its own process, and the cache that it re-embeds."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry

from benchmarks.bare_drivers import bare_session
from benchmarks.subjects import FreeEncoder
from embark.clock import now
from embark.settings import KfcSettings, StoreSettings
from embark.space import VectorForm
from embark.spec.rollout import Rollout
from embark.store import REEMBED_RANGES, Embedding, split_ring
from embark.store.cassandra.adapter import CassandraStore
from kfc.backoff import outage_backoff
from kfc.metrics import KfcMetrics
from kfc.outages import Outages
from kfc.reembed.lookup_times import PodLookupTimes
from kfc.reembed.options import ReembedOptions
from kfc.reembed.reembedding import Reembedding
from kfc.runtime import KfcRuntime

_WRITTEN_AT_ONCE: Final = 2000
_STEP_SECONDS: Final = 0.5


class Done(NamedTuple):
    """The result of a run, and the peak memory of its process in bytes."""

    rows: int
    peak: int
    """Once all was done."""
    early_peak: int
    """Once a tenth was done."""


@contextmanager
def reembedding_on(settings: KfcSettings, rows: int, niceness: int = 0) -> Iterator[Callable[[int, int, int], Done]]:
    """Yield a function that re-embeds a part of `parts`, from 0, beside lookups of the EmbArk with that probes port.

    It slows down for them as spec.rollout does by default; port 0: no lookups run. `rows` counts those of all parts;
    `niceness` is that of the process, as in nice(1).
    """
    os.nice(niceness)
    outages = Outages(outage_backoff(settings.retry, random.random), threading.Event(), KfcMetrics(CollectorRegistry()))
    encoder = FreeEncoder(some_vector(settings.space.form))
    with closing(CassandraStore(settings.store, now)) as store:
        store.checkpoints().load(settings.space.id)  # a client that connects reads the server's whole schema

        def run(part: int, parts: int, embark: int) -> Done:
            done = early = 0

            def on_progress(keys: int, _: int) -> None:
                nonlocal done, early
                done += keys
                if not early and done * 10 * parts >= rows:
                    early = _peak()

            options = ReembedOptions(
                lookups=PodLookupTimes("127.0.0.1", embark) if embark else None,
                slowdown=Rollout().max_lookup_slowdown,
                on_progress=on_progress,
            )
            reembedding = Reembedding(settings, store, encoder, KfcRuntime(outages), options)
            begin, end = (REEMBED_RANGES * number // parts for number in (part, part + 1))
            reembedding.run(split_ring(REEMBED_RANGES)[begin:end])
            return Done(done, _peak(), early)

        yield run


def create_candidate(source: KfcSettings, name: str) -> KfcSettings:
    """Create the table of another space; return the settings that fill it from `source`."""
    space = source.space.model_copy(update={"role": name})
    settings = source.model_copy(update={"space": space, "source": source.space.id})
    with closing(CassandraStore(settings.store, now)) as store:
        store.ensure_space(space.id)
    return settings


def fill(settings: KfcSettings, keys: Sequence[str]) -> None:
    """Write a different embedding for every key: the server would compress equal ones."""
    form, numbers = settings.space.form, np.random.default_rng(1)
    with closing(CassandraStore(settings.store, now)) as store:
        for start in range(0, len(keys), _WRITTEN_AT_ONCE):
            part, at = keys[start : start + _WRITTEN_AT_ONCE], now()
            vectors = numbers.standard_normal((len(part), form.dimension)).astype(form.numpy)
            rows = [Embedding(key, vector.tobytes(), at) for key, vector in zip(part, vectors, strict=True)]
            store.write(settings.space.id, rows)


def await_quiet(settings: StoreSettings) -> None:
    """Wait until Cassandra no longer compacts: it would continue while something else is measured."""
    with bare_session(settings) as session:
        while session.execute("SELECT task_id FROM system_views.sstable_tasks").current_rows:
            time.sleep(_STEP_SECONDS)


def some_vector(form: VectorForm) -> bytes:
    """Return a vector that does not compress, the same at every call."""
    return np.random.default_rng(2).standard_normal(form.dimension).astype(form.numpy).tobytes()


def _peak() -> int:
    """Return the peak memory as Linux reports it; getrusage would include the process that this one was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
