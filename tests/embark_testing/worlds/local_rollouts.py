"""A local cache for tests of its rollouts: a data folder, models, a clock, and a reporter that records."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from embark.client import EmbArkClient, KeyStatus
from embark.clock import Micros, micros, now
from embark.space import Space
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_local.cache_file import CacheFile
from embark_local.compose import Local, LocalOptions, run_local
from embark_local.progress import Progress
from embark_testing.eventually import eventually
from embark_testing.worlds.two_spaces import build_cache, text_model, texts

WAIT = 30.0
KEYS = texts(300)


@dataclass
class RecordingReporter:
    """A Reporter that records."""

    messages: list[str] = field(default_factory=list)
    shown: list[Progress] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.messages.append(message)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def await_message(self, words: str) -> None:
        eventually(
            lambda: any(words in message for message in self.messages), WAIT, f"{words!r}; reported: {self.messages}"
        )


@dataclass
class LocalHarness:
    """A data folder, models of any dimension, and a clock that can be set ahead."""

    folder: Path
    ahead: timedelta = timedelta(0)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def cache(self, dimension: int, *, fussy: bool = False, **rollout: Any) -> EmbeddingCache:
        model = text_model(dimension, fussy=fussy)
        rollout = {"maxKeysPerSecond": 0, "maxLookupSlowdown": 0} | rollout
        # The store may be slow while several processes of a test run share few cores.
        return build_cache(self.models, model, dimension, rollout=rollout, embark={"readTimeout": "5s"})

    @contextmanager
    def running(
        self, cache: EmbeddingCache, reporter: RecordingReporter | None = None, **options: Any
    ) -> Iterator[Local]:
        def clock() -> Micros:
            return now() + micros(self.ahead)

        local_options = LocalOptions(self.data, self.models, **options)
        with run_local(cache, local_options, clock=clock, reporter=reporter) as local:
            yield local
            assert local.failure() is None

    def fill(self, cache: EmbeddingCache, keys: list[str]) -> None:
        with self.running(cache) as local, EmbArkClient(local.target, timeout=WAIT) as client:
            found = client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
            assert set(found.statuses) == {KeyStatus.HIT}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations in the data folder."""
        return CacheFile(self.data).read_cache().metadata.annotations

    @property
    def status(self) -> EmbeddingCacheStatus:
        """The status in the data folder."""
        return CacheFile(self.data).read_cache().status

    def tables(self) -> set[str]:
        """Return the spaces that have a table."""
        names = self._names("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'embeddings_%'")
        return {name.removeprefix("embeddings_") for name in names}

    def groups(self) -> set[str]:
        """Return the spaces that have a consumer group."""
        return {name.rpartition(".")[2] for name in self._names("SELECT DISTINCT consumer_group FROM topic_commits")}

    def _names(self, statement: str) -> set[str]:
        with closing(sqlite3.connect(self.data / "embark.sqlite")) as file:
            return {name for (name,) in file.execute(statement)}


def space(cache: EmbeddingCache) -> str:
    return Space.from_encoder(cache.spec.encoder).id


def await_switch(local: Local, wanted: EmbeddingCache) -> None:
    """Wait until lookups read the space of a cache."""
    rollout = local.rollout
    assert rollout is not None
    eventually(lambda: rollout.space == space(wanted) or local.failure(), WAIT, "the switch")
