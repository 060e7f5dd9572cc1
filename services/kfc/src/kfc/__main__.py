"""The process of KFC: `python -m kfc --settings FILE`."""

from embark.signals import catch_signals, exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # the imports below take a second

import sys
from contextlib import ExitStack

from prometheus_client import REGISTRY

from embark.backends import Secrets, open_store, open_topic, run_command
from embark.clock import now
from embark.processes import wait_for_stop
from embark.settings import KfcSettings
from kfc.encoder import RetinaEncoder
from kfc.fill.service import FillBackends, KfcService


def run(settings: KfcSettings, secrets: Secrets) -> None:
    """Fill until SIGTERM or SIGINT, then finish the keys in progress."""
    stopping = catch_signals()
    with ExitStack() as stack:
        store = open_store(settings.store, secrets)
        stack.callback(store.close)
        topic = open_topic(settings.topic, secrets)
        stack.callback(topic.close)
        encoder = RetinaEncoder(settings.retina, settings.space, settings.encode_timeout, settings.retina_tls)
        stack.callback(encoder.close)
        consumer, dead_letters = topic.consumer(settings.consumer_group), topic.dead_letters()
        backends = FillBackends(store, consumer, dead_letters, encoder)
        kfc = KfcService(settings, backends, clock=now, registry=REGISTRY)
        stack.callback(kfc.stop)
        kfc.start()
        wait_for_stop(stopping, lambda: kfc.failure)


if __name__ == "__main__":
    sys.exit(run_command("kfc", "Fill one space.", KfcSettings, run))
