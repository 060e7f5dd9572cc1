"""A data folder that is open, and what runs on it: what the parts of a rollout share in the local mode."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from embark.clock import Clock
from embark.counts import LookupTimes
from embark.names import consumer_group
from embark.spec import EmbeddingCache
from embark.store.sqlite.adapter import SqliteStore
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.fillings import Fillings
from kfc.outages import Outages, Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The folder at `path`, held by this process; `cache` is what the manifest says now."""

    path: Path
    cache: EmbeddingCache
    store: SqliteStore
    topic: SqliteTopic
    fillings: Fillings
    outages: Outages
    clock: Clock
    lookup_times: Callable[[], LookupTimes]
    """How long the look-ups took that were answered since the folder was opened."""

    def retry_until_up(self, call: Callable[[], T]) -> T:
        """Return what `call` of the store or the topic returns, waiting while another process locks the file.

        Raises:
            StoppedError: the process stops.
        """
        return self.outages.retry_until_up(Server.STORE, call)

    def group(self, space: str) -> str:
        """Return the consumer group of a space's KFC."""
        return consumer_group(self.cache, space)

    def drop(self, space: str) -> None:
        """Drop all that a space has here; nothing reads or fills it any more."""
        self.retry_until_up(lambda: self.store.drop_space(space))
        self.retry_until_up(lambda: self.topic.drop_group(self.group(space)))
