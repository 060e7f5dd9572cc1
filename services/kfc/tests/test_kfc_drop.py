"""The schema and drop commands on real servers: where a consumer group begins, and that nothing of a space stays."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from embark.backends import Secrets, open_store, open_topic
from embark.clock import now
from embark.processes import exit_status
from embark.settings import DropSettings, KfcSettings, settings_for
from embark.store import Embedding, split_ring
from embark.topic import Fill, Record
from embark.topic.kafka.groups import drop_group
from embark_testing.caches import sample
from embark_testing.contracts.checkpoints import begin
from embark_testing.deployments.group_contents import list_groups, read_commits
from embark_testing.deployments.processes import PATIENCE, run_schema
from embark_testing.servers.cassandra_keyspaces import cql_session
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_server import KafkaServer
from kfc.schema import drop

pytestmark = pytest.mark.integration
SHORT = timedelta(seconds=2)
POLL = timedelta(seconds=1)


@dataclass(frozen=True)
class Spaces:
    """The settings of two spaces of a cache; the second is re-embedded from the first."""

    first: KfcSettings
    second: KfcSettings
    folder: Path

    def make(self, settings: KfcSettings) -> None:
        assert run_schema(settings, self.folder / settings.space.id) == [0]

    def drop(self, settings: KfcSettings) -> tuple[int, str]:
        """Run the drop command; return its exit status and what it wrote."""
        path = self.folder / settings.space.id / "drop.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DropSettings(kfc=settings).model_dump_json(by_alias=True))
        command = [sys.executable, "-m", "kfc.schema.drop", "--settings", str(path)]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
        return ended.returncode, ended.stderr

    def drop_here(self, settings: KfcSettings) -> int:
        """Run the drop command in this process; return its exit status."""
        return exit_status(lambda: drop.run(DropSettings(kfc=settings), Secrets()))

    def use(self, settings: KfcSettings) -> None:
        """Let the space have a row, a checkpoint, and commits of its group."""
        with closing(open_store(settings.store, Secrets())) as store:
            store.write(settings.space.id, [Embedding("key", b"1234", now())])
            begin(store.checkpoints(), settings.space.id, split_ring(2)[0])
        with closing(open_topic(settings.topic, Secrets())) as topic:
            consumer = topic.consumer(settings.consumer_group)
            records: list[Record] = []
            while not records:
                records = list(consumer.poll(1, POLL))
            consumer.commit({records[0].partition: records[0].offset + 1})
            consumer.close()

    def ask(self, *keys: str) -> None:
        """Put fills into the topic."""
        with closing(open_topic(self.first.topic, Secrets())) as topic:
            producer = topic.producer()
            for key in keys:
                assert producer.produce(key.encode(), Fill(key.encode(), now()).to_bytes(), {})
            assert producer.close(timedelta(seconds=30)) == 0


@pytest.fixture
def spaces(tmp_path: Path, cassandra: CassandraServer, kafka: KafkaServer) -> Spaces:
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = sample(
        "photos",
        store={"cassandra": {"contactPoints": [cassandra.host], "port": cassandra.port, "keyspace": name}},
        topic={"kafka": {"bootstrapServers": [kafka.bootstrap], "name": f"{name}.fills", "partitions": 3}},
    )
    first = settings_for(cache).kfc
    newer = first.space.model_copy(update={"model_digest": f"sha256:{'b' * 64}"})
    first = first.model_copy(update={"consumer_group": f"{name}.{first.space.id}"})
    changes = {"space": newer, "consumer_group": f"{name}.{newer.id}", "source": first.space.id}
    return Spaces(first, first.model_copy(update=changes), tmp_path)


@pytest.fixture
def tables(cassandra: CassandraServer) -> Iterator[Callable[[KfcSettings], set[str]]]:
    """Return the tables of a cache's keyspace."""
    query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
    with cql_session(cassandra) as session:
        yield lambda settings: {name for (name,) in session.execute(query, (settings.store.cassandra.keyspace,))}


def count_checkpoints(settings: KfcSettings) -> int:
    with closing(open_store(settings.store, Secrets())) as store:
        return len(store.checkpoints().load(settings.space.id))


def test_the_group_of_a_re_embedded_space_begins_once_at_the_offsets_of_its_source(
    spaces: Spaces,
) -> None:
    spaces.make(spaces.first)
    spaces.ask(*(f"old {i}" for i in range(10)))
    spaces.use(spaces.first)
    spaces.make(spaces.second)
    assert sum(read_commits(spaces.second.topic, spaces.second.consumer_group).values()) == 1
    spaces.use(spaces.first)
    spaces.make(spaces.second)
    assert sum(read_commits(spaces.second.topic, spaces.second.consumer_group).values()) == 1


def test_the_group_of_a_first_space_begins_at_the_oldest_fill(spaces: Spaces) -> None:
    spaces.make(spaces.first)
    spaces.ask("early")
    spaces.make(spaces.first)
    assert read_commits(spaces.first.topic, spaces.first.consumer_group) == {}
    assert spaces.first.consumer_group not in list_groups(spaces.first.topic)


def test_a_dropped_space_leaves_nothing_and_the_other_space_is_unchanged(
    spaces: Spaces, tables: Callable[[KfcSettings], set[str]]
) -> None:
    for settings in (spaces.first, spaces.second):
        spaces.make(settings)
        spaces.ask(*(f"{settings.space.id} {i}" for i in range(10)))
        spaces.use(settings)
    before = tables(spaces.first)
    status, written = spaces.drop(spaces.second)
    assert status == 0, written
    assert before - tables(spaces.first) == {f"embeddings_{spaces.second.space.id}"}
    groups = list_groups(spaces.first.topic)
    assert spaces.first.consumer_group in groups
    assert spaces.second.consumer_group not in groups
    assert (count_checkpoints(spaces.first), count_checkpoints(spaces.second)) == (1, 0)
    assert spaces.drop(spaces.second)[0] == 0
    assert tables(spaces.first) == before - {f"embeddings_{spaces.second.space.id}"}


def test_a_dropped_space_can_be_created_again_and_is_empty(spaces: Spaces) -> None:
    spaces.make(spaces.first)
    spaces.make(spaces.second)
    spaces.ask(*(f"key {i}" for i in range(10)))
    spaces.use(spaces.first)
    spaces.use(spaces.second)
    assert spaces.drop(spaces.second)[0] == 0
    spaces.make(spaces.second)
    assert count_checkpoints(spaces.second) == 0
    assert sum(read_commits(spaces.second.topic, spaces.second.consumer_group).values()) == 1


def test_a_drop_of_a_space_that_never_existed_succeeds(spaces: Spaces) -> None:
    status, written = spaces.drop(spaces.second)
    assert status == 0, written


def test_a_space_whose_kfc_still_runs_is_kept_and_the_error_says_why(
    spaces: Spaces,
    tables: Callable[[KfcSettings], set[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(drop, "drop_group", partial(drop_group, timeout=SHORT))
    spaces.make(spaces.first)
    before = tables(spaces.first)
    spaces.ask("key")
    with closing(open_topic(spaces.first.topic, Secrets())) as topic:
        consumer = topic.consumer(spaces.first.consumer_group)
        while not consumer.poll(1, POLL):
            pass
        assert spaces.drop_here(spaces.first) == 1
        assert f"group {spaces.first.consumer_group} of " in (written := capsys.readouterr().err)
        assert "still has members" in written
        assert tables(spaces.first) == before
        consumer.close()
    assert spaces.drop_here(spaces.first) == 0
    assert tables(spaces.first) == {"rollout_progress"}


@pytest.mark.parametrize("away", ["kafka", "cassandra"])
def test_a_server_that_does_not_answer_fails_the_command_and_is_named(
    spaces: Spaces, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], away: str
) -> None:
    monkeypatch.setattr(drop, "drop_group", partial(drop_group, timeout=SHORT))
    [port] = free_ports("127.0.0.1", 1)
    settings = spaces.first
    if away == "kafka":
        nowhere = settings.topic.kafka.model_copy(update={"bootstrap_servers": (f"127.0.0.1:{port}",)})
        settings = settings.model_copy(update={"topic": settings.topic.model_copy(update={"kafka": nowhere})})
    else:
        moved = settings.store.cassandra.model_copy(update={"port": port})
        settings = settings.model_copy(update={"store": settings.store.model_copy(update={"cassandra": moved})})
    assert spaces.drop_here(settings) == 1
    written = capsys.readouterr().err
    assert written.startswith("error: ")
    assert f"127.0.0.1:{port}" in written
