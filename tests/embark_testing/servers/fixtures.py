"""The pytest plugin of tests against real servers, which are started when a test first needs them.

`cassandra` and `kafka` live as long as the session; `cassandra_pair` and `kafka_cluster`, of several processes, as long
as the file that asks for them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from embark_testing.servers.cassandra_nodes import cassandra_nodes
from embark_testing.servers.cassandra_server import CassandraServer, cassandra_server
from embark_testing.servers.kafka_brokers import KafkaBrokers, kafka_brokers
from embark_testing.servers.kafka_server import KafkaServer, kafka_server
from embark_testing.servers.maven_jars import MissingToolsError


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """A Cassandra node that all tests of the session share."""
    with skipping_without_tools(), cassandra_server(tmp_path_factory.mktemp("cassandra")) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A Kafka broker that all tests of the session share."""
    with skipping_without_tools(), kafka_server(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="module")
def cassandra_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[CassandraServer]]:
    """Two Cassandra nodes of one ring."""
    with skipping_without_tools(), cassandra_nodes(tmp_path_factory.mktemp("cassandra_pair")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBrokers]:
    """Three Kafka brokers of one cluster."""
    with skipping_without_tools(), kafka_brokers(tmp_path_factory.mktemp("kafka_cluster")) as cluster:
        yield cluster


@contextmanager
def skipping_without_tools() -> Iterator[None]:
    """Skip the test if a server within the block needs a missing Java or Maven; in CI, fail it."""
    try:
        yield
    except MissingToolsError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} (in CI no test is skipped)")
        pytest.skip(str(error))
