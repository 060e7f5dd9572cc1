"""The three processes on a Kafka of three brokers: one dies and comes back during fills."""

from pathlib import Path

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.topic.kafka.adapter import KafkaTopic
from embark_testing.deployments.deployment import Deployment, deployment_on
from embark_testing.deployments.kafka_topics import topic_config
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.kafka_brokers import KafkaBrokers

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
# A broker that is back has to catch up first.
WAIT = 120.0
COPIES = 4


@pytest.fixture
def deployment(
    tmp_path: Path, models_folder: Path, cassandra: CassandraServer, kafka_cluster: KafkaBrokers
) -> Deployment:
    """A cache whose topics have a replica on every broker."""
    deployment = deployment_on(cassandra, kafka_cluster, tmp_path / "services", models_folder)
    topic = deployment.settings.kfc.topic
    kafka = topic.kafka.model_copy(update={"replication_factor": 3})
    return deployment.changed(kfc={"topic": topic.model_copy(update={"kafka": kafka})})


def test_a_broker_killed_during_fills_and_started_again_loses_none_and_repeats_none(
    deployment: Deployment, kafka_cluster: KafkaBrokers, origin: Origin
) -> None:
    photos = sorted(PHOTOS.glob("*.jpg"))
    before, during, after = (
        [origin.url(f"{path.name}?{turn}-{copy}") for copy in range(COPIES) for path in photos]
        for turn in ("before", "during", "after")
    )
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    topic = deployment.settings.kfc.topic
    assert topic_config(kafka_cluster.bootstrap, topic.fills)["min.insync.replicas"] == "2"
    with (
        deployment.retina(),
        deployment.kfc() as kfc,
        deployment.embark() as embark,
        EmbArkClient(deployment.target, timeout=30.0) as client,
    ):
        embark.await_ready()
        kfc.await_ready()
        client.lookup(before)
        eventually(lambda: _hits(client, before), WAIT, "the first fills")
        lost = kafka_cluster.leader(topic.fills)
        lost.kill()
        try:
            written = _hits(client, before)
            fetched = dict(origin.requested)
            assert set(client.lookup(during).statuses) == {KeyStatus.OOV_ENQUEUED}
            eventually(lambda: _hits(client, before + during) == {*before, *during}, WAIT, "fills without it")
        finally:
            lost.start()
        client.lookup(after)
        eventually(lambda: _hits(client, after) == set(after), WAIT, "fills after it is back")
        assert _hits(client, before + during) == {*before, *during}
    again = {origin.url(path) for path, count in origin.requested.items() if count > fetched.get(path, 0)}
    assert again & written == set()
    opened = KafkaTopic(topic)
    assert list(opened.dead_letters().read()) == []
    opened.close()


def _hits(client: EmbArkClient, keys: list[str]) -> set[str]:
    found = client.lookup(keys)
    return {key for key, status in zip(keys, found.statuses, strict=True) if status == KeyStatus.HIT}
