"""The re-embedding command: `python -m kfc.reembed --settings FILE --index I --of N`, one of N processes."""

from embark.signals import catch_signals

if __name__ == "__main__":
    stopping = catch_signals()  # the imports below take a second

import argparse
import os
import sys
from contextlib import closing
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge

from embark.backends import Secrets, open_store
from embark.clock import now
from embark.errors import InvalidSpecError
from embark.processes import read_settings
from embark.settings import KfcSettings
from embark.signals import Stopping
from embark.store import REEMBED_RANGES, split_ring
from kfc.encoder import RetinaEncoder
from kfc.jobs import Job, run_job
from kfc.reembed.lookup_times import PodLookupTimes
from kfc.reembed.reembedding import Reembedding

_PORTS: Final = range(1, 65536)
LOWEST_PRIORITY: Final = 19
"""Niceness of the process: look-ups and fills on its machine go first, as far as cgroups leave it to that."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command take its part of the work, and how to do it."""
    index = os.environ.get("JOB_COMPLETION_INDEX")  # Kubernetes gives it to the pods of an Indexed Job
    parser.add_argument("--index", type=int, default=index, required=index is None, help="of this process, from 0")
    parser.add_argument("--of", type=int, required=True, help="number of processes that share the ranges")
    parser.add_argument("--keys-per-second", type=float, default=0, help="of this process, at most; 0: no limit")
    parser.add_argument(
        "--max-lookup-slowdown",
        type=float,
        default=0,
        help="go slower where look-ups take more times as long; 0: never",
    )
    parser.add_argument("--embark", type=address, help="HOST:PORT, where every pod of EmbArk tells what look-ups take")
    parser.add_argument("--again", action="store_true", help="encode keys again that the candidate has a negative of")


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or int(port) not in _PORTS:
        raise ValueError(text)
    return host.strip("[]"), int(port)


def run(asked: argparse.Namespace, stopping: Stopping) -> None:
    """Re-embed every range of this process that is not over.

    Raises:
        UnfinishedError: the process was asked to stop before that.
        InvalidSpecError: the index is none of `--of` processes.
    """
    if not 0 <= asked.index < asked.of:
        raise InvalidSpecError("--index", f"{asked.index} is not one of {asked.of} processes, which count from 0")
    settings, secrets = read_settings(asked.settings, KfcSettings), Secrets.from_args(asked)
    job = Job(settings, stopping, REGISTRY)
    keys = Counter("embark_reembed_keys", "Keys of checkpointed pages, by outcome.", ["outcome"], registry=REGISTRY)
    counted = keys.labels("done"), keys.labels("failed")

    def on_progress(done: int, failed: int) -> None:
        for counter, count in zip(counted, (done, failed), strict=True):
            counter.inc(count)

    with (
        closing(open_store(settings.store, secrets)) as store,
        closing(
            RetinaEncoder(settings.retina, settings.space, settings.encode_timeout, settings.retina_tls)
        ) as encoder,
    ):
        reembedding = Reembedding(
            settings,
            store,
            encoder,
            outages=job.outages,
            clock=now,
            keys_per_second=asked.keys_per_second,
            lookups=PodLookupTimes(*asked.embark) if asked.embark else None,
            slowdown=asked.max_lookup_slowdown,
            retry_failed=asked.again,
            on_progress=on_progress,
            metrics=job.metrics,
        )
        limit = Gauge(
            "embark_reembed_limit", "Keys a second that may be encoded; 0: none, +Inf: any.", registry=REGISTRY
        )
        limit.set_function(lambda: reembedding.keys_per_second)
        job.do(lambda: reembedding.run(split_ring(REEMBED_RANGES)[asked.index :: asked.of]))


if __name__ == "__main__":
    os.nice(LOWEST_PRIORITY)
    sys.exit(run_job("kfc.reembed", "Encode the keys of one space into another.", add_options, run, stopping))
