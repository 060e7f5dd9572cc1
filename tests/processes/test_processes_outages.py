"""EmbArk's process while Cassandra or Kafka is away: lookups continue, and requested keys are filled afterwards."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import embark_testing
from embark.client import EmbArkClient, KeyStatus
from embark_testing.deployments.contents import write_embedding
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import Service, run_schema
from embark_testing.embark.steady_lookups import look_up_steadily
from embark_testing.eventually import eventually
from embark_testing.origin import Origin
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
DEADLINE = 3.0
RATE = 200
# Short for every run; EMBARK_OUTAGE_SECONDS=60 for a long one.
OUTAGE_SECONDS = int(os.environ.get("EMBARK_OUTAGE_SECONDS", "15"))
# One each 100 ms: as many as there are in the five seconds that a recovery may take.
PROBES, PROBE_RATE = 50, 10
SMALL_QUEUE = Path(embark_testing.__file__).parent / "embark" / "small_queue.py"
CAPACITY = 10


def test_a_stopped_cassandra_makes_lookups_unavailable_within_their_deadline_and_is_soon_read_again(
    deployment: Deployment, cassandra: CassandraServer, origin: Origin
) -> None:
    with _running(_keeping_hot(deployment)) as (embark, client):
        hot, stored = origin.url("chelsea.jpg"), origin.url("rocket.jpg")
        vector = client.lookup([hot], on_miss="wait", wait=WAIT, timeout=WAIT).vectors[0]
        write_embedding(deployment, stored, vector.tobytes())
        cold = [origin.url(f"coffee.jpg?{number}") for number in range(RATE * OUTAGE_SECONDS)]
        cassandra.suspend()
        try:
            found = look_up_steadily(embark.target, [[hot, key] for key in cold], RATE, DEADLINE)
        finally:
            cassandra.resume()
        probes = look_up_steadily(embark.target, [[stored]] * PROBES, PROBE_RATE, DEADLINE)
        assert {answer.statuses for answer in found} == {(KeyStatus.HIT, KeyStatus.UNAVAILABLE)}
        oov = np.zeros_like(vector)
        assert all(np.array_equal(answer.vectors, [vector, oov]) for answer in found)
        hits = [number for number, answer in enumerate(probes) if answer.statuses == (KeyStatus.HIT,)]
        assert hits, f"not read by any of {PROBES} lookups"
        print(f"{hits[0] / PROBE_RATE} s from SIGCONT to the lookup that was the first HIT")
        eventually(lambda: client.lookup([cold[0]]).statuses == (KeyStatus.HIT,), WAIT, "a fill after the outage")
    assert dict(origin.requested) == {"chelsea.jpg": 1, "coffee.jpg?0": 1}


def test_a_killed_kafka_delays_no_lookup_and_requested_keys_are_filled_when_it_is_back(
    deployment: Deployment, kafka: KafkaServer, origin: Origin
) -> None:
    # One window, however long the outage is made.
    with _running(deployment.changed(embark={"repeat_window": timedelta(hours=1)})) as (embark, client):
        hot = origin.url("chelsea.jpg")
        client.lookup([hot], on_miss="wait", wait=WAIT, timeout=WAIT)
        keys = [origin.url(f"gravel.jpg?{number}") for number in range(20)]
        requests = [[hot, keys[number % len(keys)]] for number in range(RATE * OUTAGE_SECONDS)]
        kafka.kill()
        try:
            found = look_up_steadily(embark.target, requests, RATE, DEADLINE)
        finally:
            kafka.start()
        statuses = Counter(answer.statuses for answer in found)
        assert statuses.keys() == {(KeyStatus.HIT, KeyStatus.OOV_ENQUEUED), (KeyStatus.HIT, KeyStatus.OOV_PENDING)}
        assert statuses[KeyStatus.HIT, KeyStatus.OOV_ENQUEUED] == len(keys)
        eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, WAIT, "the fills")
        assert embark.metric("embark_fills_dropped_total") == 0


def test_a_full_queue_sheds_and_counts_and_holds_no_lookup_up(
    deployment: Deployment, kafka: KafkaServer, origin: Origin
) -> None:
    with _running(deployment, SMALL_QUEUE, "--capacity", str(CAPACITY)) as (embark, client):
        keys = [origin.url(f"gravel.jpg?{number}") for number in range(3 * CAPACITY)]
        kafka.kill()
        try:
            found = [client.lookup([key]).statuses for key in keys]
            shed = embark.metric("embark_fills_shed_total")
        finally:
            kafka.start()
        assert found == [(KeyStatus.OOV_ENQUEUED,)] * CAPACITY + [(KeyStatus.SHED,)] * (len(keys) - CAPACITY)
        assert shed == len(keys) - CAPACITY
        eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, WAIT, "the fills, requested again")


@contextmanager
def _running(
    deployment: Deployment, program: str | Path = "embark_server", *arguments: str
) -> Iterator[tuple[Service, EmbArkClient]]:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with (
        deployment.retina(),
        deployment.kfc(),
        deployment.embark(program, *arguments) as embark,
        EmbArkClient(deployment.target, timeout=DEADLINE) as client,
    ):
        embark.await_ready()
        yield embark, client


def _keeping_hot(deployment: Deployment) -> Deployment:
    """Return it with a hot tier that outlasts the outage."""
    serving = deployment.settings.embark.serving
    hot_tier = serving.hot_tier.model_copy(update={"ttl": timedelta(hours=1)})
    return deployment.changed(embark={"serving": serving.model_copy(update={"hot_tier": hot_tier})})
