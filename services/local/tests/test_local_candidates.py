"""When the fill of a candidate is as far as look-ups need it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from embark.clock import now
from embark.counts import LookupTimes
from embark.retries import Backoff
from embark.store.sqlite.adapter import SqliteStore
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.candidates import catch_up
from embark_local.fillings import Fillings
from embark_local.opened import Opened
from embark_testing.caches import sample
from embark_testing.contracts.records import finished, send, take
from embark_testing.eventually import eventually
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, StoppedError

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def opened(tmp_path: Path, stopping: threading.Event) -> Iterator[Opened]:
    store, topic = SqliteStore(tmp_path / "file", now), SqliteTopic(tmp_path / "file", 2)
    yield Opened(
        path=tmp_path,
        cache=sample("titles"),
        store=store,
        topic=topic,
        fillings=Fillings(store, topic, models=tmp_path, connect=None, clock=now),
        outages=Outages(Backoff(0.01, 0.01, lambda: 0.0), stopping, KfcMetrics(CollectorRegistry())),
        clock=now,
        lookup_times=lambda: LookupTimes(seconds=(), counts=(0,)),
    )
    topic.close()
    store.close()


def test_the_switch_waits_for_what_the_source_has_and_the_candidate_has_not(opened: Opened) -> None:
    source, candidate = (opened.topic.consumer(opened.group(space)) for space in (A, B))
    send(opened.topic.producer(), "a", "b", "c")
    source.commit(finished(take(source, 3)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(catch_up, opened, B, A)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        candidate.commit(finished(take(candidate, 3)))
        assert waiting.result(timeout=10) is True


def test_what_neither_has_is_not_waited_for(opened: Opened) -> None:
    for space in (A, B):
        opened.topic.consumer(opened.group(space))
    producer = opened.topic.producer()
    send(producer, "a", "b")
    eventually(lambda: opened.topic.lag(opened.group(A)) == 2)
    assert catch_up(opened, B, A) is True


def behind(opened: Opened) -> None:
    source = opened.topic.consumer(opened.group(A))
    opened.topic.consumer(opened.group(B))
    send(opened.topic.producer(), "a")
    source.commit(finished(take(source, 1)))


def test_a_candidate_that_stays_behind_is_not_waited_for_without_end(opened: Opened) -> None:
    behind(opened)
    times = iter([0.0, 1.0, 31.0])
    assert catch_up(opened, B, A, timer=lambda: next(times)) is False


def test_a_stop_ends_the_wait(opened: Opened, stopping: threading.Event) -> None:
    behind(opened)
    stopping.set()
    with pytest.raises(StoppedError):
        catch_up(opened, B, A)
