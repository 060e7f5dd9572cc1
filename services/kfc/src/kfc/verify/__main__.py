"""The verify command, `python -m kfc.verify --settings FILE`: reports whether lookups may switch to a space."""

from embark.signals import catch_signals

if __name__ == "__main__":
    stopping = catch_signals()  # the imports below take a second

import logging
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry

from embark.backends import Secrets, open_store, run_command
from embark.rollout.verdict import find_gate_failure
from embark.settings import VerifySettings
from embark.signals import Stopping
from embark.spec.rollout import Rollout
from embark.termination import TerminationMessage
from kfc.jobs import Job
from kfc.outages import Server
from kfc.verify.verification import verify


def run(settings: VerifySettings, secrets: Secrets, stopping: Stopping, registry: CollectorRegistry = REGISTRY) -> None:
    """Write the verdict; if the gate is not passed, drop the checkpoints, so that the next scan starts over.

    Raises:
        UnfinishedError: the process was stopped before it had a verdict.
    """
    gate = Rollout(min_coverage=settings.min_coverage, max_failure_ratio=settings.max_failure_ratio)
    job = Job(settings.kfc, stopping, registry)
    space = settings.kfc.space
    with closing(open_store(settings.kfc.store, secrets)) as store:

        def work() -> None:
            verdict = verify(store, settings.kfc.source, space, job.retry_until_up)
            failure = find_gate_failure(verdict, gate)
            if failure:
                job.retry_until_up(Server.STORE, lambda: store.checkpoints().drop(space.id))
            Path(settings.termination_log).write_text(TerminationMessage(verdict=verdict).to_json())
            log, extra = logging.getLogger(__name__), {"cache": settings.kfc.cache, "space": space.id}
            for lost in verdict.lost:
                log.warning("lost: %s", lost, extra=extra)
            log.info("the gate is %s", failure or "passed", extra=extra)

        job.do(work)


if __name__ == "__main__":
    does = "Check a space before lookups switch to it."
    sys.exit(run_command("kfc.verify", does, VerifySettings, partial(run, stopping=stopping)))
