"""The open data folder of a running local cache, and the work that a rollout does in it."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from embark.clock import Clock
from embark.counts import LookupTimes
from embark.names import consumer_group
from embark.rollout.verdict import Verdict, find_gate_failure
from embark.settings import FillingSettings, KfcSettings
from embark.spec import EmbeddingCache
from embark.spec.rollout import Rollout
from embark.store.sqlite.adapter import SqliteStore
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.fillings import Filling, Fillings
from embark_local.progress import Progress
from embark_local.reporters import Reporter
from embark_local.scan import Scan, run_scan
from kfc.backoff import outage_backoff
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server
from kfc.reembed.lookup_times import OwnLookupTimes
from kfc.verify.verification import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContext:
    """Implements RolloutWork on the store, the topic and the services of this process.

    Every method that takes Outages waits while another process locks the file, and raises StoppedError when those
    Outages are stopped.
    """

    cache: EmbeddingCache
    """As it was at the start."""
    store: SqliteStore
    topic: SqliteTopic
    fillings: Fillings
    clock: Clock
    lookup_times: Callable[[], LookupTimes]
    """Durations of the lookups answered since the start."""
    reporter: Reporter

    def new_outages(self, stopping: threading.Event) -> Outages:
        """Return Outages that wait until `stopping` is set."""
        backoff = outage_backoff(self.cache.spec.topic.retry, random.random)
        return Outages(backoff, stopping, KfcMetrics(CollectorRegistry()))

    def count(self, outages: Outages, space: str) -> int:
        """Return the number of embeddings in a space."""
        return outages.retry_until_up(Server.STORE, lambda: self.store.count(space))

    def start_filling(self, outages: Outages, settings: FillingSettings, source: str) -> None:
        """Start the Retina and the KFC of a space, which is a candidate if it has a `source`.

        Raises:
            EmbArkError: Retina refuses to start; the message says why.
        """
        space = settings.kfc.space.id
        if source:
            self._prepare(outages, space, source)
        filling = self.fillings.start(settings)
        for service, address in filling.probes.items():
            self.reporter.say(f"{service} of space {space}: {address}/metrics")

    def find_filling(self, space: str) -> Filling | None:
        """Return the running Retina and KFC of a space."""
        return self.fillings.find(space)

    def filled_spaces(self) -> frozenset[str]:
        """Return the spaces that have a Retina and a KFC."""
        return self.fillings.spaces

    def stop_filling(self, space: str) -> None:
        """Stop the Retina and the KFC of a space."""
        self.fillings.stop(space)

    def fills_behind(self, outages: Outages, candidate: str, source: str) -> int:
        """Return how many fills the KFC of `source` has consumed and that of `candidate` has not."""
        return max(0, self._lag(outages, candidate) - self._lag(outages, source))

    def scan(self, outages: Outages, scan: Scan, on_progress: Callable[[Progress], None]) -> float:
        """Re-embed every key that the candidate lacks; return the keys per second, 0 if there were none."""
        times = OwnLookupTimes(self.lookup_times)
        return run_scan(scan, self.store, outages, lookups=times, clock=self.clock, on_progress=on_progress)

    def verify(self, outages: Outages, settings: KfcSettings, gate: Rollout) -> Verdict:
        """Return the verdict on a candidate; if `gate` rejects it, the next scan is a full one."""
        store, space = self.store, settings.space
        verdict = verify(store, settings.source, space, outages.retry_until_up)
        if find_gate_failure(verdict, gate):
            outages.retry_until_up(Server.STORE, lambda: store.checkpoints().drop(space.id))
        else:
            inspected = f"{verdict.held:,} of {verdict.keys:,} keys inspected, {verdict.failed:,} failed"
            self.reporter.say(f"verified: {inspected}")
        return verdict

    def drop(self, outages: Outages, space: str) -> None:
        """Delete rows, checkpoints and consumer group of a space that nothing reads or fills."""
        outages.retry_until_up(Server.STORE, lambda: self.store.drop_space(space))
        outages.retry_until_up(Server.TOPIC, lambda: self.topic.drop_group(consumer_group(self.cache, space)))

    def _prepare(self, outages: Outages, candidate: str, source: str) -> None:
        outages.retry_until_up(Server.STORE, lambda: self.store.ensure_space(candidate))
        # Before the scan begins, so that each key is found by the scan, by this group, or by both.
        groups = consumer_group(self.cache, candidate), consumer_group(self.cache, source)
        outages.retry_until_up(Server.TOPIC, lambda: self.topic.start_at_offsets(*groups))

    def _lag(self, outages: Outages, space: str) -> int:
        return outages.retry_until_up(Server.TOPIC, lambda: self.topic.lag(consumer_group(self.cache, space)))
