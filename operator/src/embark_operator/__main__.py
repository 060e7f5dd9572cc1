"""The process of the operator: `python -m embark_operator`."""

from embark.signals import catch_signals, exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # the imports below take a second

import asyncio
import logging
import socket
import sys
import time
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

import kopf
from prometheus_client import REGISTRY

from embark.errors import EmbArkError
from embark.processes import exit_status, log_json
from embark.rpc.probes import Probes
from embark.settings import Listen
from embark_operator.cluster.kubernetes import KubernetesCluster, connect
from embark_operator.commands import Arguments, parse_command
from embark_operator.leader.fences import FencedCluster
from embark_operator.leader.leadership import Leadership
from embark_operator.leader.leases import Lease
from embark_operator.metrics import OperatorMetrics
from embark_operator.observe.services import PodServices
from embark_operator.options import Options
from embark_operator.reconcile import Reconciler
from embark_operator.result import Key
from embark_operator.runtime import Runtime
from embark_operator.watch.handlers import KnownCaches, watch, watch_settings
from embark_operator.watch.queues import WorkQueue
from embark_operator.watch.worker import ReconcileWorker

WORKERS = 4
STANDBY_SECONDS = 0.5


class LeaseLostError(EmbArkError):
    """Another operator has become active."""


def run(args: Arguments) -> None:
    """Wait for the lease, then reconcile until SIGTERM or SIGINT."""
    stopping = catch_signals()
    with ExitStack() as stack:
        cluster = KubernetesCluster(connect())
        stack.callback(cluster.close)
        metrics = OperatorMetrics(REGISTRY)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        lease = Lease(cluster, args.lease_namespace, args.lease_name, identity, monotonic=time.monotonic, utc=_utc)
        stack.callback(Probes(args.host, args.probes_port, REGISTRY, lambda: "").close)
        leadership = Leadership(lease)
        metrics.leading.set_function(lambda: lease.held)
        stack.callback(leadership.stop)
        leadership.start()
        while not (leadership.held.wait(STANDBY_SECONDS) or stopping.is_set()):
            pass
        if not stopping.is_set():
            fenced = FencedCluster(cluster, lease.check, metrics.count_write)
            runtime = Runtime(fenced, PodServices(Listen().probes_port), args.options, _utc)
            worker = ReconcileWorker(Reconciler(runtime).reconcile, metrics)
            asyncio.run(reconcile_all(args.options, worker, metrics, leadership))
        if leadership.lost.is_set():
            raise LeaseLostError("the lease was lost; this process exits, to be restarted as a standby")


async def reconcile_all(
    options: Options, worker: ReconcileWorker, metrics: OperatorMetrics, leadership: Leadership
) -> None:
    """Watch and reconcile until a signal arrives or the lease is lost."""
    queue = WorkQueue[Key](worker.run, first_backoff=1.0, max_backoff=60.0)
    caches = KnownCaches(queue)
    metrics.watch(lambda: len(queue), lambda: len(caches))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # kopf would wait for the lease's own event in a thread that never ends.
    leadership.call_when_lost(lambda: loop.call_soon_threadsafe(stop.set))
    tasks = [asyncio.create_task(work) for work in (queue.run(WORKERS), caches.resync(options.resync))]
    for task in tasks:
        task.add_done_callback(lambda _: stop.set())  # they end by themselves only with an exception
    registry = watch(caches, queue)
    # On shutdown, kopf waits five seconds for tasks younger than itself: its wait for the flag, and the workers.
    kopf.on.cleanup(registry=registry)(partial(_set, stop))
    await asyncio.sleep(0)
    try:
        await kopf.operator(
            registry=registry,
            settings=watch_settings(),
            standalone=True,
            clusterwide=not options.namespaces,
            namespaces=options.namespaces,
            stop_flag=stop,
        )
    finally:
        for task in tasks:
            task.cancel()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    for error in errors:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            raise error


async def _set(stop: asyncio.Event, **_: object) -> None:
    stop.set()


def _utc() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


if __name__ == "__main__":
    log_json()
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # it logs every event
    sys.exit(exit_status(lambda: run(parse_command())))
