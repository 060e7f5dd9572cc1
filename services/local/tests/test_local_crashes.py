"""A local rollout that crashes at any of its steps continues at the next start, and ends as if undisturbed."""

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
from embark_local.cache_file import CacheFile
from embark_local.compose import LocalOptions, run_local
from embark_local.fillings import Fillings
from embark_server.server import EmbArkServer
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, LocalHarness, await_switch, space

FEW = KEYS[:20]
# Everything that a rollout changes, except rows, which are written again.
STEPS: list[tuple[Any, str]] = [
    (CacheFile, "write_status"),
    (EmbArkServer, "switch"),
    (SqliteStore, "drop_space"),
    (SqliteTopic, "start_at_offsets"),
    (SqliteTopic, "drop_group"),
    (SqliteCheckpoints, "drop"),
    (Fillings, "stop"),
]
# How many of them a rollout takes that keeps no previous space.
COUNT = 14


class CrashError(Exception):
    """Ends the rollout."""


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


def changes_nothing_but_counts(arguments: tuple[Any, ...], written: list[object]) -> bool:
    """Return whether a step is a write of the status in which the rollout has not advanced since the last write."""
    if not isinstance(arguments[0], CacheFile):
        return False
    status = arguments[1]
    spaces = [space and space.id for space in (status.spaces.active, status.spaces.candidate, status.spaces.previous)]
    step = status.rollout.phase, *spaces, status.spaces.dropped
    same = bool(written) and written[-1] == step
    written.append(step)
    return same


@contextmanager
def crashing(at: int, *, after: bool) -> Iterator[None]:
    """Let the step of that number, of those on the rollout's threads, fail before or after it is done."""
    numbers = count()
    written: list[object] = []

    def stepping(method: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            in_rollout = threading.current_thread().name.startswith("rollout")
            if not in_rollout or changes_nothing_but_counts(arguments, written):
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
def test_a_crash_at_any_step_leaves_a_state_to_continue_from(harness: LocalHarness, at: int, *, after: bool) -> None:
    a, b = harness.cache(2), harness.cache(3, keepPrevious="0s")
    harness.fill(a, FEW)
    with crashing(at, after=after), run_local(b, LocalOptions(harness.data, harness.models)) as crashed:
        eventually(lambda: isinstance(crashed.failure(), CrashError), WAIT, "the crash")
    with harness.running(b) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        found = client.lookup(FEW)
        assert found.space in {space(a), space(b)}
        assert set(found.statuses) == {KeyStatus.HIT}
        await_switch(local, b)
        eventually(lambda: harness.tables() == harness.groups() == {space(b)}, WAIT, "all of the old space dropped")
        found = client.lookup(FEW)
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})
