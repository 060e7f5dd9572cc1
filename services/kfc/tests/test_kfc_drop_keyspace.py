"""The drop of a whole cache on real servers: its spaces and groups are dropped, and its neighbour is unchanged."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from embark.backends import Secrets, open_store
from embark.clock import now
from embark.settings import DropScope, DropSettings, KfcSettings, settings_for
from embark.store import Embedding
from embark_testing.caches import sample
from embark_testing.deployments.group_contents import read_commits
from embark_testing.deployments.processes import PATIENCE, run_schema
from embark_testing.servers.cassandra_keyspaces import cql_session
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = pytest.mark.integration


class Cache:
    """The settings of two spaces of one cache on the servers."""

    def __init__(self, cassandra: CassandraServer, kafka: KafkaServer, name: str, keyspace: str, topic: str) -> None:
        store = {"contactPoints": [cassandra.host], "port": cassandra.port, "keyspace": keyspace}
        cache = sample(
            "photos",
            store={"cassandra": store},
            topic={"kafka": {"bootstrapServers": [kafka.bootstrap], "name": topic, "partitions": 3}},
        )
        cache = cache.model_copy(update={"metadata": cache.metadata.model_copy(update={"name": name})})
        self.first = settings_for(cache).kfc
        newer = self.first.space.model_copy(update={"model_digest": f"sha256:{'b' * 64}"})
        self.second = settings_for(cache, newer, source=self.first.space.id).kfc
        self.keyspace = keyspace

    def make(self, folder: Path) -> None:
        """Make both spaces, a row, and the group of the second: it commits where it begins."""
        for settings in (self.first, self.second):
            assert run_schema(settings, folder / settings.consumer_group) == [0]
        with closing(open_store(self.first.store, Secrets())) as store:
            store.write(self.first.space.id, [Embedding("key", b"1234", now())])


def drop(settings: KfcSettings, folder: Path) -> tuple[int, str]:
    """Run the command; return its exit status and what it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "drop.json"
    path.write_text(DropSettings(kfc=settings, scope=DropScope.CACHE).model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "kfc.schema.drop", "--settings", str(path)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE, check=False)
    return ended.returncode, ended.stderr


def has_begun(settings: KfcSettings) -> bool:
    """Return whether the group of the space has committed an offset."""
    return any(offset >= 0 for offset in read_commits(settings.topic, settings.consumer_group).values())


@contextmanager
def keyspaces(cassandra: CassandraServer) -> Iterator[Any]:
    with cql_session(cassandra) as session:
        yield lambda: {name for (name,) in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}


def test_nothing_of_a_dropped_cache_stays_and_its_neighbour_is_unchanged(
    tmp_path: Path, cassandra: CassandraServer, kafka: KafkaServer
) -> None:
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = Cache(cassandra, kafka, name, name, f"{name}.fills")
    neighbour = Cache(cassandra, kafka, f"{name}-b", f"{name}_b", f"{name}.fills")
    for made in (cache, neighbour):
        made.make(tmp_path)
        assert has_begun(made.second)
    with keyspaces(cassandra) as there:
        assert there() >= {cache.keyspace, neighbour.keyspace}
        for _ in range(2):
            status, written = drop(cache.first, tmp_path / "drop")
            assert status == 0, written
            assert cache.keyspace not in there()
        assert neighbour.keyspace in there()
    assert has_begun(neighbour.second)
    assert not has_begun(cache.second)


def test_the_keyspace_stays_while_the_groups_of_its_spaces_cannot_be_dropped(
    tmp_path: Path, cassandra: CassandraServer, kafka: KafkaServer
) -> None:
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = Cache(cassandra, kafka, name, name, f"{name}.fills")
    cache.make(tmp_path)
    [port] = free_ports("127.0.0.1", 1)
    nowhere = cache.first.topic.kafka.model_copy(update={"bootstrap_servers": (f"127.0.0.1:{port}",)})
    topic = cache.first.topic.model_copy(update={"kafka": nowhere})
    status, written = drop(cache.first.model_copy(update={"topic": topic}), tmp_path / "drop")
    assert status == 1
    assert f"127.0.0.1:{port}" in written
    with keyspaces(cassandra) as there:
        assert cache.keyspace in there()
