"""The counts on the second port, which the operator reads without a certificate."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from google.protobuf.duration_pb2 import Duration

from embark.counts import LookupTimes
from embark.errors import UnavailableError
from embark.store import split_ring
from embark_server.counts import CountCache
from embark_testing.contracts.checkpoints import begin
from embark_testing.embark.harness import Harness, running, vector
from embark_testing.embark.secured import SERVER_NAME, authority_in, secured
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock

CANDIDATE = "0123456789ab"
SECOND = 1_000_000


@pytest.fixture
def harness() -> Iterator[Harness]:
    with running(rows={"east": vector(1), "west": vector(2)}) as made:
        yield made


def told(harness: Harness, path: str) -> tuple[int, Any]:
    """Return the status and the body, parsed where it is JSON."""
    try:
        with urlopen(f"http://127.0.0.1:{harness.server.probes_port}{path}", timeout=30) as response:
            assert response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(response.read())
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def begin_rollout(harness: Harness) -> None:
    within = split_ring(1)[0]
    kept = harness.store.checkpoints()
    progress = begin(kept, CANDIDATE, within)
    assert kept.save(CANDIDATE, progress.advanced(within.end, done=70, failed=3))


def test_entries_of_the_active_space_and_keys_of_a_rollout_are_told(harness: Harness) -> None:
    begin_rollout(harness)
    assert told(harness, "/entries") == (200, {"space": harness.space, "entries": 2})
    assert told(harness, f"/rollout/{CANDIDATE}") == (200, {"done": 70, "failed": 3})
    assert told(harness, f"/rollout/{harness.space}") == (200, {"done": 0, "failed": 0})


def test_how_long_look_ups_took_is_told_of_every_one() -> None:
    with running(rows={"east": vector(1)}) as harness:
        for _ in range(3):
            harness.lookup("east")
        harness.lookup("nowhere")
        harness.lookup("elsewhere", wait_budget=Duration(nanos=1_000_000))  # is as slow as its caller lets it be
        code, said = told(harness, "/lookups")
        assert code == 200
        assert sum(LookupTimes.model_validate(said).counts) == 4


def test_they_need_no_certificate_where_look_ups_do(tmp_path: Path) -> None:
    server = authority_in(tmp_path / "authority").identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    with secured(server) as harness:
        assert told(harness, "/entries") == (200, {"space": harness.space, "entries": 1})
        assert told(harness, f"/rollout/{CANDIDATE}") == (200, {"done": 0, "failed": 0})


def test_the_store_counts_once_however_often_it_is_asked_until_the_count_is_old(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def count(space: str) -> int:
        asked.append(space)
        return 5 * len(asked)

    monkeypatch.setattr(harness.store, "count", count)
    for _ in range(5):
        assert told(harness, "/entries") == (200, {"space": harness.space, "entries": 5})
    harness.clock.advance(timedelta(seconds=30))
    assert told(harness, "/entries") == (200, {"space": harness.space, "entries": 10})
    assert asked == [harness.space] * 2


def test_a_store_that_fails_is_said_and_nothing_of_it_is_kept(harness: Harness) -> None:
    harness.store.failing.set()
    for path in ("/entries", f"/rollout/{CANDIDATE}"):
        code, said = told(harness, path)
        assert code == 503
        assert "switched off by the test" in said
    harness.store.failing.clear()
    assert told(harness, "/entries") == (200, {"space": harness.space, "entries": 2})


@pytest.mark.parametrize("path", ["/rollout", "/rollout/", "/rollout/0123456789AB", "/rollout/x%27%20OR%201=1"])
def test_what_is_no_id_of_a_space_is_refused(harness: Harness, path: str) -> None:
    code, said = told(harness, path)
    assert code == 400
    assert "is not a space id" in said


def test_any_other_page_says_which_there_are(harness: Harness) -> None:
    assert told(harness, "/") == (404, "only /metrics, /healthz, /readyz, /entries, /rollout, /lookups\n")


def test_one_caller_asks_and_no_other_waits_for_it() -> None:
    recent, begun, gate = CountCache(SECOND, FakeClock()), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert gate.wait(60)
        return "slow"

    answers: list[str] = []
    first = threading.Thread(target=lambda: answers.append(recent.get("a", slow)))
    first.start()
    assert begun.wait(60)
    with pytest.raises(UnavailableError, match="retry"):
        recent.get("a", slow)
    gate.set()
    eventually(lambda: answers == ["slow"])
    first.join(60)
    assert recent.get("a", _fails) == "slow"


def test_an_answer_about_one_space_is_never_given_for_another() -> None:
    recent = CountCache(SECOND, FakeClock())
    assert [recent.get(name, _says(name)) for name in ("a", "b", "b", "a")] == ["a", "b", "b", "a"]


def test_a_clock_that_is_set_back_keeps_no_answer() -> None:
    clock = FakeClock()
    recent = CountCache(SECOND, clock)
    assert recent.get("a", _says("first")) == "first"
    clock.advance(timedelta(seconds=-60))
    assert recent.get("a", _says("second")) == "second"


def _says(answer: str) -> Callable[[], str]:
    return lambda: answer


def _fails() -> str:
    raise AssertionError("asked again")
