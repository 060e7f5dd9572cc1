"""A rollout of the local mode that ends at any of its steps goes on at the next start, and ends as if undisturbed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.store.sqlite.adapter import SqliteStore
from embark.store.sqlite.checkpoints import SqliteCheckpoints
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local import rollouts
from embark_local.compose import run_local
from embark_local.fillings import Fillings
from embark_server.server import EmbArkServer
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, Bench, on, space

FEW = KEYS[:20]
# Everything that a rollout changes, but for rows, which are written again.
STEPS = [
    (rollouts, "write_kept"),
    (EmbArkServer, "switch"),
    (SqliteStore, "drop_space"),
    (SqliteTopic, "start_at_offsets"),
    (SqliteTopic, "drop_group"),
    (SqliteCheckpoints, "drop"),
    (Fillings, "stop"),
]
# Of those, how many a rollout takes that keeps no previous space.
COUNT = 11


class CrashError(Exception):
    """What ends the rollout."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextmanager
def crashing(at: int, *, after: bool) -> Iterator[None]:
    """Let the step of that number, of those on the rollout's thread, fail before or after it is done."""
    numbers = count()

    def stepping(method: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            if threading.current_thread().name != "rollout":
                return method(*arguments)
            number = next(numbers)
            if number == at and not after:
                raise CrashError
            result = method(*arguments)
            if number == at:
                raise CrashError
            return result

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, stepping(getattr(owner, name)))
        yield


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(COUNT))
def test_a_crash_at_any_step_leaves_a_state_to_go_on_from(bench: Bench, at: int, *, after: bool) -> None:
    a, b = bench.cache(2), bench.cache(3, keepPrevious="0s")
    bench.fill(a, FEW)
    with crashing(at, after=after), run_local(b, data=bench.data, models=bench.models) as crashed:
        eventually(lambda: isinstance(crashed.failure(), CrashError), WAIT, "the crash")
    with bench.running(b) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        found = client.lookup(FEW)
        assert found.space in {space(a), space(b)}
        assert set(found.statuses) == {KeyStatus.HIT}
        on(local, b)
        eventually(lambda: bench.tables() == bench.groups() == {space(b)}, WAIT, "all of the old space dropped")
        found = client.lookup(FEW)
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})
