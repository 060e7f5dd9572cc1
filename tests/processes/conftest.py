"""A deployment on the servers that all tests share."""

from pathlib import Path

import pytest

from embark_testing.deployments.deployment import Deployment, deployment_on
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.kafka_server import KafkaServer


@pytest.fixture
def deployment(tmp_path: Path, models_folder: Path, cassandra: CassandraServer, kafka: KafkaServer) -> Deployment:
    """A cache with a keyspace and topics of its own."""
    return deployment_on(cassandra, kafka, tmp_path / "services", models_folder)
