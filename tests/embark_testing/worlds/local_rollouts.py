"""What tests of rollouts in the local mode compose them from: a data folder, models, a clock, somebody who watches."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from embark.client import EmbArkClient, KeyStatus
from embark.clock import Micros, micros, now
from embark.spec import EmbeddingCache
from embark_local.compose import Local, run_local
from embark_local.kept_spaces import id_of
from embark_local.progress import Progress
from embark_testing.eventually import eventually
from embark_testing.worlds.two_spaces import cache_of, text_model, texts

WAIT = 30.0
KEYS = texts(300)


@dataclass
class Witness:
    """A Viewer that remembers."""

    said: list[str] = field(default_factory=list)
    shown: list[Progress] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.said.append(message)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def await_said(self, words: str) -> None:
        eventually(lambda: any(words in message for message in self.said), WAIT, f"{words!r}; said: {self.said}")


@dataclass
class Bench:
    """A data folder and models of as many elements as a test likes, and a clock that can be ahead."""

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
        return cache_of(
            self.models, model, dimension, rollout={"maxKeysPerSecond": 0, "maxLookupSlowdown": 0} | rollout
        )

    @contextmanager
    def running(self, cache: EmbeddingCache, witness: Witness | None = None, **options: Any) -> Iterator[Local]:
        def clock() -> Micros:
            return now() + micros(self.ahead)

        with run_local(cache, data=self.data, models=self.models, clock=clock, viewer=witness, **options) as local:
            yield local
            assert local.failure() is None

    def fill(self, cache: EmbeddingCache, keys: list[str]) -> None:
        with self.running(cache) as local, EmbArkClient(local.target, timeout=WAIT) as client:
            found = client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
            assert set(found.statuses) == {KeyStatus.HIT}

    def tables(self) -> set[str]:
        """Return the spaces that have a table."""
        names = self._names("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'embeddings_%'")
        return {name.removeprefix("embeddings_") for name in names}

    def groups(self) -> set[str]:
        """Return the spaces that records are kept for."""
        return {name.rpartition(".")[2] for name in self._names("SELECT DISTINCT consumer_group FROM topic_commits")}

    def _names(self, statement: str) -> set[str]:
        with closing(sqlite3.connect(self.data / "embark.sqlite")) as file:
            return {name for (name,) in file.execute(statement)}


def space(cache: EmbeddingCache) -> str:
    return id_of(cache.spec.encoder)


def on(local: Local, wanted: EmbeddingCache) -> None:
    """Wait until look-ups read the space of a cache."""
    rollout = local.rollout
    assert rollout is not None
    eventually(lambda: rollout.space == space(wanted) or local.failure(), WAIT, "the switch")
