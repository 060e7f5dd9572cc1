"""How far the fills of a candidate are behind those of the space that it is filled from."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from embark.clock import now
from embark.counts import LookupTimes
from embark.names import consumer_group
from embark.retries import Backoff
from embark.store.sqlite.adapter import SqliteStore
from embark.topic import FillConsumer
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.context import LocalContext
from embark_local.fillings import Fillings
from embark_local.reporters import SilentReporter
from embark_testing.caches import sample
from embark_testing.contracts.records import finished, send, take
from embark_testing.eventually import eventually
from kfc.metrics import KfcMetrics
from kfc.outages import Outages

SOURCE, CANDIDATE = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[LocalContext]:
    store, topic = SqliteStore(tmp_path / "file", now), SqliteTopic(tmp_path / "file", 2)
    yield LocalContext(
        cache=sample("titles"),
        store=store,
        topic=topic,
        fillings=Fillings(store, topic, models=tmp_path, connect=None, clock=now),
        clock=now,
        lookup_times=lambda: LookupTimes(seconds=(), counts=(0,)),
        reporter=SilentReporter(),
    )
    topic.close()
    store.close()


def fills_behind(context: LocalContext) -> int:
    outages = Outages(Backoff(0.01, 0.01, lambda: 0.0), threading.Event(), KfcMetrics(CollectorRegistry()))
    return context.fills_behind(outages, CANDIDATE, SOURCE)


def consume_as(context: LocalContext, space: str) -> FillConsumer:
    return context.topic.consumer(consumer_group(context.cache, space))


def test_a_candidate_is_behind_by_what_the_source_has_consumed_and_it_has_not(context: LocalContext) -> None:
    source, candidate = (consume_as(context, space) for space in (SOURCE, CANDIDATE))
    send(context.topic.producer(), "a", "b", "c")
    source.commit(finished(take(source, 3)))
    assert fills_behind(context) == 3
    candidate.commit(finished(take(candidate, 3)))
    assert fills_behind(context) == 0


def test_a_candidate_is_not_behind_by_what_neither_space_has_consumed(context: LocalContext) -> None:
    source, _ = (consume_as(context, space) for space in (SOURCE, CANDIDATE))
    send(context.topic.producer(), "a", "b")
    eventually(lambda: source.lag() == 2)
    assert fills_behind(context) == 0


def test_a_candidate_that_is_ahead_of_its_source_is_not_behind(context: LocalContext) -> None:
    source, candidate = (consume_as(context, space) for space in (SOURCE, CANDIDATE))
    send(context.topic.producer(), "a", "b")
    candidate.commit(finished(take(candidate, 2)))
    assert source.lag() == 2
    assert fills_behind(context) == 0
