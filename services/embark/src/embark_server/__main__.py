"""Entry point of the lookup server: `python -m embark_server --settings FILE`."""

from embark.signals import catch_signals, exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # the imports below take a second

import sys
from contextlib import ExitStack
from datetime import timedelta

from prometheus_client import REGISTRY

from embark.backends import Secrets, open_store, open_topic, run_command
from embark.clock import now
from embark.processes import wait_for_stop
from embark.settings import EmbArkSettings
from embark_server.server import EmbArkServer

# Fills that the topic has not acknowledged by then are lost; the next lookup of their keys requests them again.
FLUSH_TIMEOUT = timedelta(seconds=5)


def run(settings: EmbArkSettings, secrets: Secrets) -> None:
    """Answer lookups until SIGTERM or SIGINT, then drain."""
    stopping = catch_signals()
    with ExitStack() as stack:
        store = open_store(settings.store, secrets)
        stack.callback(store.close)
        topic = open_topic(settings.topic, secrets)
        stack.callback(topic.close)
        producer = topic.producer()
        stack.callback(producer.close, FLUSH_TIMEOUT)
        server = EmbArkServer(settings, store, producer, clock=now, registry=REGISTRY)
        stack.callback(server.stop)
        server.start()
        wait_for_stop(stopping)


if __name__ == "__main__":
    sys.exit(run_command("embark_server", "Answer lookups of one cache.", EmbArkSettings, run))
