"""The pytest plugin of tests against real servers: `cassandra` and `kafka`, started once a session when asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cassandra_server import CassandraServer, cassandra_server
from kafka_server import KafkaServer, kafka_server
from maven_jars import MissingToolsError


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


@contextmanager
def skipping_without_tools() -> Iterator[None]:
    """Skip the test when a server within cannot be run for want of Java or Maven; in CI, fail it."""
    try:
        yield
    except MissingToolsError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} (in CI no test is skipped)")
        pytest.skip(str(error))
