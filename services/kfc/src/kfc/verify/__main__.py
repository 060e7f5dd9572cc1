"""The verify command: `python -m kfc.verify --settings FILE --verdict FILE`, whether look-ups may switch to a space."""

from embark.signals import catch_signals

if __name__ == "__main__":
    stopping = catch_signals()  # the imports below take a second

import argparse
import logging
import sys
from contextlib import closing
from pathlib import Path

from prometheus_client import REGISTRY

from embark.backends import Secrets, open_store
from embark.processes import read_settings
from embark.rollout.verdict import find_gate_failure
from embark.settings import KfcSettings
from embark.signals import Stopping
from embark.spec.rollout import Rollout
from kfc.jobs import Job, run_job
from kfc.outages import Server
from kfc.verify.verification import verify


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command take the gate, and where its verdict goes."""
    parser.add_argument("--verdict", type=Path, required=True, help="file to write the verdict to, as JSON")
    parser.add_argument("--min-coverage", required=True, help="as in spec.rollout")
    parser.add_argument("--max-failure-ratio", required=True, help="as in spec.rollout")


def run(asked: argparse.Namespace, stopping: Stopping) -> None:
    """Write the verdict; where the gate is not passed, forget the checkpoints, so that the next scan begins anew."""
    settings, secrets = read_settings(asked.settings, KfcSettings), Secrets.from_args(asked)
    gate = Rollout(min_coverage=asked.min_coverage, max_failure_ratio=asked.max_failure_ratio)
    job = Job(settings, stopping, REGISTRY)
    space = settings.space
    with closing(open_store(settings.store, secrets)) as store:

        def work() -> None:
            verdict = verify(store, settings.source, space, job.retry_until_up)
            fault = find_gate_failure(verdict, gate)
            if fault:
                job.retry_until_up(Server.STORE, lambda: store.checkpoints().drop(space.id))
            asked.verdict.write_text(verdict.model_dump_json(by_alias=True))
            log, extra = logging.getLogger(__name__), {"cache": settings.cache, "space": space.id}
            for lost in verdict.lost:
                log.warning("lost: %s", lost, extra=extra)
            log.info("the gate is %s", fault or "passed", extra=extra)

        job.do(work)


if __name__ == "__main__":
    sys.exit(run_job("kfc.verify", "Judge a space before look-ups switch to it.", add_options, run, stopping))
