"""The re-embedding command, `python -m kfc.reembed --settings FILE`: one process of an Indexed Job."""

from embark.signals import catch_signals

if __name__ == "__main__":
    stopping = catch_signals()  # the imports below take a second

import os
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from embark.backends import Secrets, open_store, run_command
from embark.errors import InvalidSpecError
from embark.settings import ReembedSettings
from embark.signals import Stopping
from embark.store import REEMBED_RANGES, split_ring
from kfc.encoder import RetinaEncoder
from kfc.jobs import Job
from kfc.reembed.lookup_times import PodLookupTimes
from kfc.reembed.options import ReembedOptions
from kfc.reembed.reembedding import Reembedding
from kfc.runtime import KfcRuntime

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
"""Kubernetes sets it in the pods of an Indexed Job, from 0."""
LOWEST_PRIORITY: Final = 19
"""Niceness of the process: lookups and fills on its machine go first, as far as cgroups leave it to that."""


def parse_index(environment: Mapping[str, str], processes: int) -> int:
    """Return the index of this process.

    Raises:
        InvalidSpecError: it is not set, or not one of `processes`.
    """
    text = environment.get(INDEX_VARIABLE, "")
    if not text.isdecimal() or int(text) >= processes:
        message = f"{text!r} is not one of {processes} processes, which count from 0"
        raise InvalidSpecError(INDEX_VARIABLE, message)
    return int(text)


def run(
    settings: ReembedSettings,
    secrets: Secrets,
    stopping: Stopping,
    environment: Mapping[str, str],
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Re-embed every unfinished range of the process that `environment` says this is.

    Raises:
        InvalidSpecError: it does not say.
        UnfinishedError: the process was stopped before that.
    """
    index = parse_index(environment, settings.processes)
    kfc, embark = settings.kfc, settings.embark
    job = Job(kfc, stopping, registry)
    keys = Counter("embark_reembed_keys", "Keys of checkpointed pages, by outcome.", ["outcome"], registry=registry)
    counters = keys.labels("done"), keys.labels("failed")

    def on_progress(done: int, failed: int) -> None:
        for counter, count in zip(counters, (done, failed), strict=True):
            counter.inc(count)

    with (
        closing(open_store(kfc.store, secrets)) as store,
        closing(RetinaEncoder(kfc.retina, kfc.space, kfc.encode_timeout, kfc.retina_tls)) as encoder,
    ):
        options = ReembedOptions(
            keys_per_second=settings.keys_per_second,
            lookups=PodLookupTimes(embark.host, embark.port) if embark else None,
            slowdown=settings.max_lookup_slowdown,
            retry_failed=settings.retry_failed,
            on_progress=on_progress,
        )
        reembedding = Reembedding(kfc, store, encoder, KfcRuntime(job.outages, job.metrics), options)
        limit = Gauge(
            "embark_reembed_limit", "Keys a second that may be encoded; 0: none, +Inf: any.", registry=registry
        )
        limit.set_function(lambda: reembedding.keys_per_second)
        job.do(lambda: reembedding.run(split_ring(REEMBED_RANGES)[index :: settings.processes]))


if __name__ == "__main__":
    os.nice(LOWEST_PRIORITY)
    command = partial(run, stopping=stopping, environment=os.environ)
    sys.exit(run_command("kfc.reembed", "Encode the keys of one space into another.", ReembedSettings, command))
