"""EmbArk's process while Cassandra or Kafka is away: look-ups go on, and what was asked is filled afterwards."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from cassandra_server import CassandraServer
from deployments import WAIT, Deployment
from eventually import eventually
from kafka_server import KafkaServer
from origin import Origin
from service_processes import run_schema

from embark.client import EmbArkClient, KeyStatus

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
DEADLINE = 2.0
OUTAGE_LOOKUPS = 400
CALLERS = 4


def test_a_stopped_cassandra_makes_lookups_unavailable_inside_their_deadline_and_nothing_is_asked(
    deployment: Deployment, cassandra: CassandraServer, origin: Origin
) -> None:
    with _running(deployment) as client:
        hot = origin.url("chelsea.jpg")
        client.lookup([hot], on_miss="wait", wait=WAIT, timeout=WAIT)
        client.lookup([hot])
        cassandra.suspend()
        try:
            cold = [origin.url(f"coffee.jpg?{number}") for number in range(OUTAGE_LOOKUPS)]
            found = _look_up_all(client, [[hot, key] for key in cold])  # raises where a deadline is missed
        finally:
            cassandra.resume()
        assert Counter(found) == {(KeyStatus.HIT, KeyStatus.UNAVAILABLE): OUTAGE_LOOKUPS}
        eventually(lambda: client.lookup([cold[0]]).statuses == (KeyStatus.HIT,), WAIT, "a fill after the outage")
    assert [path for path in origin.asked if path.startswith("coffee")] == ["coffee.jpg?0"]


def test_a_killed_kafka_holds_no_lookup_up_and_what_was_asked_is_filled_when_it_is_back(
    deployment: Deployment, kafka: KafkaServer, origin: Origin
) -> None:
    with _running(deployment) as client:
        client.lookup([origin.url("chelsea.jpg")], on_miss="wait", wait=WAIT, timeout=WAIT)
        keys = [origin.url(f"gravel.jpg?{number}") for number in range(20)]
        kafka.kill()
        try:
            found = _look_up_all(client, [[key] for key in keys])
        finally:
            kafka.start()
        assert set(found) == {(KeyStatus.OOV_ENQUEUED,)}
        eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, WAIT, "the fills")


@contextmanager
def _running(deployment: Deployment) -> Iterator[EmbArkClient]:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with (
        deployment.retina(),
        deployment.kfc(),
        deployment.embark() as embark,
        EmbArkClient(deployment.target, timeout=DEADLINE) as client,
    ):
        embark.await_ready()
        yield client


def _look_up_all(client: EmbArkClient, requests: list[list[str]]) -> list[tuple[KeyStatus, ...]]:
    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(lambda keys: client.lookup(keys, timeout=DEADLINE).statuses, requests))
