"""A Retina that is slower than Kafka's max.poll.interval.ms: KFC keeps its membership and fills every key."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

import embark_testing
from embark_testing.deployments.contents import produce_fills, read_dead_letters, read_lag, read_vectors
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.kfc.fake_retina import FakeRetina, serving
from embark_testing.kfc.parts import fake_vector
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = pytest.mark.integration
SCRIPT = Path(embark_testing.__file__).parent / "kfc" / "impatient.py"
# The limits of a real deployment and a request of a minute, divided by ten or more. The tests' broker misses a member
# that is silent for six seconds.
MAX_POLL_INTERVAL_MS = 3_000
REQUEST_SECONDS = 7.0
ITEMS = 8
CALLS = 3
# Of every key. Together they are more than KFC takes in at once, so that it has to pause as well.
RECORDS = 50

Membership = frozenset[tuple[str, frozenset[int]]]


def test_a_retina_that_is_slower_than_the_poll_interval_causes_no_rebalance_and_no_dead_letter(
    deployment: Deployment, kafka: KafkaServer
) -> None:
    keys = [f"https://photographs.example/{number}.jpg" for number in range(ITEMS * CALLS)]
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with (
        _slow_retina(deployment) as (retina, slow),
        slow.kfc(SCRIPT, "--max-poll-interval-ms", str(MAX_POLL_INTERVAL_MS)),
    ):
        members = partial(_members, AdminClient({"bootstrap.servers": kafka.bootstrap}), slow)
        settled = eventually(members, WAIT, "the partitions are KFC's")
        produce_fills(slow, keys * RECORDS)
        seen = set[Membership]()

        def watched() -> bool:
            seen.add(members())
            return read_lag(slow) == 0

        eventually(watched, 2 * WAIT, "every record is finished")
    assert seen == {settled}
    assert retina.times == dict.fromkeys(keys, 1)
    assert read_vectors(slow, keys).keys() == set(keys)
    assert read_dead_letters(slow) == []


@contextmanager
def _slow_retina(deployment: Deployment) -> Iterator[tuple[FakeRetina, Deployment]]:
    """Serve a Retina with slow calls to a KFC that calls it once at a time."""
    space = deployment.settings.kfc.space
    retina = FakeRetina(space.id, lambda key: (fake_vector(key) * space.form.nbytes)[: space.form.nbytes])
    retina.delay = partial(threading.Event().wait, REQUEST_SECONDS)
    with serving(retina) as server:
        yield retina, deployment.changed(kfc={"retina": server.target, "max_inflight": 1, "encode_items": ITEMS})


def _members(admin: AdminClient, deployment: Deployment) -> Membership:
    """Return the partitions of each member; empty while none is assigned."""
    group = deployment.settings.kfc.consumer_group
    described = admin.describe_consumer_groups([group], request_timeout=WAIT)[group].result()
    return frozenset(
        (member.member_id, frozenset(partition.partition for partition in member.assignment.topic_partitions))
        for member in described.members
        if member.assignment.topic_partitions
    )
