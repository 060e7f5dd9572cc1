"""One record in a hundred is unreadable: each becomes a dead letter with its cause, and no other record is delayed."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from embark.causes import CauseKind
from embark.clock import now
from embark.spec import Retry
from embark.topic import Fill
from embark_testing.deployments.contents import read_dead_letters, read_lag, read_vectors
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import run_schema, write_settings
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
RECORDS = 2_000
ONE_IN = 100
UNREADABLE = (b"\xff\xff", b"", b"not a fill")
EMBARK = Path(sys.executable).parent / "embark"


def test_unreadable_records_among_many_are_kept_with_their_cause_and_stall_no_partition(
    deployment: Deployment, kafka: KafkaServer, origin: Origin
) -> None:
    keys = [origin.url(path.name) for path in sorted(PHOTOS.glob("*.jpg"))]
    records = [_record(number, keys) for number in range(RECORDS)]
    unreadable = [record for record in records if record[1] in UNREADABLE]
    assert len(unreadable) * ONE_IN == RECORDS
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    assert _produce(kafka, deployment, records) == set(range(deployment.settings.kfc.topic.kafka.partitions))
    with deployment.retina(), deployment.kfc():
        eventually(lambda: read_lag(deployment) == 0, WAIT, "every record is finished")
    assert read_vectors(deployment, keys).keys() == set(keys)
    assert sorted(origin.requested.values()) == [1] * len(keys)
    letters = read_dead_letters(deployment)
    assert Counter((letter.key, letter.value) for letter in letters) == Counter(unreadable)
    assert {letter.cause.kind for letter in letters} == {CauseKind.UNREADABLE}
    listed = _command(deployment, "list")[1:]
    assert len(listed) == len(unreadable)
    assert all("unreadable" in line for line in listed)
    shown = _command(deployment, "show", listed[0].split()[0])
    assert any("can be replayed" in line and "no" in line for line in shown)
    assert _command(deployment, "replay", "--all") == [f"replayed: 0; unreadable, skipped: {len(unreadable)}"]


def test_a_dead_letter_that_is_replayed_is_filled_once_its_origin_is_back(
    deployment: Deployment, kafka: KafkaServer
) -> None:
    retry = Retry(max_attempts=2, initial_backoff=timedelta(milliseconds=100))
    hasty = deployment.changed(kfc={"retry": retry})
    (port,) = free_ports("127.0.0.1", 1)
    key = f"http://127.0.0.1:{port}/chelsea.jpg"
    assert run_schema(hasty.settings.kfc, hasty.folder) == [0]
    _produce(kafka, hasty, [(key.encode(), Fill(key.encode(), now()).to_bytes())])
    with hasty.retina(), hasty.kfc():
        eventually(lambda: read_lag(hasty) == 0, WAIT, "its attempts are used up")
        (line,) = _command(hasty, "list")[1:]
        assert key in line
        assert "unreachable" in line
        with Origin.serving(port):
            assert _command(hasty, "replay", line.split()[0]) == ["replayed: 1"]
            eventually(lambda: read_vectors(hasty, [key]), WAIT, "the fill")


def _record(number: int, keys: list[str]) -> tuple[bytes, bytes]:
    """Return key and value of a record; one in a hundred is unreadable, wherever its own key puts it."""
    if number % ONE_IN == ONE_IN // 2:
        return b"unreadable %d" % number, UNREADABLE[number // ONE_IN % len(UNREADABLE)]
    key = keys[number % len(keys)].encode()
    return key, Fill(key, now()).to_bytes()


def _produce(kafka: KafkaServer, deployment: Deployment, records: list[tuple[bytes, bytes]]) -> set[int | None]:
    """Produce the records; return the partitions that they went to."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    partitions = set[int | None]()
    for key, value in records:
        producer.produce(
            deployment.settings.kfc.topic.fills,
            value,
            key,
            on_delivery=lambda _error, message: partitions.add(message.partition()),
        )
    assert producer.flush(WAIT) == 0
    return partitions


def _command(deployment: Deployment, name: str, *arguments: str) -> list[str]:
    """Run `embark dead-letters` and return its lines."""
    settings = write_settings(deployment.settings.kfc, deployment.folder)
    command = [str(EMBARK), "dead-letters", name, "--settings", str(settings), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()
