"""The counts on the second port, readable without a certificate."""

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


def fetch(harness: Harness, path: str) -> tuple[int, Any]:
    """Return the status and the body, parsed if it is JSON."""
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


def test_entries_of_the_active_space_and_keys_of_a_rollout_are_reported(harness: Harness) -> None:
    begin_rollout(harness)
    assert fetch(harness, "/entries") == (200, {"space": harness.space, "entries": 2})
    assert fetch(harness, f"/rollout/{CANDIDATE}") == (200, {"done": 70, "failed": 3})
    assert fetch(harness, f"/rollout/{harness.space}") == (200, {"done": 0, "failed": 0})


def test_the_latency_of_every_lookup_without_a_wait_is_reported() -> None:
    with running(rows={"east": vector(1)}) as harness:
        for _ in range(3):
            harness.lookup("east")
        harness.lookup("nowhere")
        harness.lookup("elsewhere", wait_budget=Duration(nanos=1_000_000))  # takes as long as its caller allows
        code, body = fetch(harness, "/lookups")
        assert code == 200
        assert sum(LookupTimes.model_validate(body).counts) == 4


def test_counts_need_no_certificate_even_if_lookups_do(tmp_path: Path) -> None:
    server = authority_in(tmp_path / "authority").identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    with secured(server) as harness:
        assert fetch(harness, "/entries") == (200, {"space": harness.space, "entries": 1})
        assert fetch(harness, f"/rollout/{CANDIDATE}") == (200, {"done": 0, "failed": 0})


def test_repeated_reads_count_in_the_store_once_until_the_count_expires(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []

    def count(space: str) -> int:
        counted.append(space)
        return 5 * len(counted)

    monkeypatch.setattr(harness.store, "count", count)
    for _ in range(5):
        assert fetch(harness, "/entries") == (200, {"space": harness.space, "entries": 5})
    harness.clock.advance(timedelta(seconds=30))
    assert fetch(harness, "/entries") == (200, {"space": harness.space, "entries": 10})
    assert counted == [harness.space] * 2


def test_a_failure_of_the_store_is_reported_and_not_cached(harness: Harness) -> None:
    harness.store.failing.set()
    for path in ("/entries", f"/rollout/{CANDIDATE}"):
        code, body = fetch(harness, path)
        assert code == 503
        assert "switched off by the test" in body
    harness.store.failing.clear()
    assert fetch(harness, "/entries") == (200, {"space": harness.space, "entries": 2})


@pytest.mark.parametrize("path", ["/rollout", "/rollout/", "/rollout/0123456789AB", "/rollout/x%27%20OR%201=1"])
def test_a_malformed_space_id_is_refused(harness: Harness, path: str) -> None:
    code, body = fetch(harness, path)
    assert code == 400
    assert "is not a space id" in body


def test_an_unknown_page_lists_the_known_ones(harness: Harness) -> None:
    assert fetch(harness, "/") == (
        404,
        "not found; served are /metrics, /healthz, /readyz, /entries, /rollout, /lookups\n",
    )


def test_one_caller_refreshes_the_count_and_no_other_waits_for_it() -> None:
    cache, started, gate = CountCache(SECOND, FakeClock()), threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert gate.wait(60)
        return "slow"

    answers: list[str] = []
    first = threading.Thread(target=lambda: answers.append(cache.get("a", slow)))
    first.start()
    assert started.wait(60)
    with pytest.raises(UnavailableError, match="retry"):
        cache.get("a", slow)
    gate.set()
    eventually(lambda: answers == ["slow"])
    first.join(60)
    assert cache.get("a", _fail) == "slow"


def test_the_count_of_one_space_is_never_returned_for_another() -> None:
    cache = CountCache(SECOND, FakeClock())
    assert [cache.get(name, _returning(name)) for name in ("a", "b", "b", "a")] == ["a", "b", "b", "a"]


def test_a_clock_that_is_set_back_keeps_no_count() -> None:
    clock = FakeClock()
    cache = CountCache(SECOND, clock)
    assert cache.get("a", _returning("first")) == "first"
    clock.advance(timedelta(seconds=-60))
    assert cache.get("a", _returning("second")) == "second"


def _returning(text: str) -> Callable[[], str]:
    return lambda: text


def _fail() -> str:
    raise AssertionError("counted again")
