"""Records that cannot be read, and processes that come and go: nothing else stalls, nothing is lost."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer
from deployments import WAIT, Deployment
from eventually import eventually
from kafka_server import KafkaServer
from origin import PHOTOS, Origin
from service_processes import run_schema, write_settings

from embark.client import EmbArkClient, KeyStatus
from embark.errors import UnavailableError

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
STOPS = 5
CALLERS = 4
EMBARK = Path(sys.executable).parent / "embark"


def test_unreadable_records_become_dead_letters_with_their_cause_and_stall_nothing(
    deployment: Deployment, kafka: KafkaServer, origin: Origin
) -> None:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    _produce(kafka, deployment, [b"\xff\xff", b"", b"not a fill"])
    with deployment.retina(), deployment.kfc(), deployment.embark() as embark:
        embark.await_ready()
        keys = [origin.url(path.name) for path in sorted(PHOTOS.glob("*.jpg"))]
        with EmbArkClient(deployment.target, timeout=WAIT) as client:
            found = client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
        assert set(found.statuses) == {KeyStatus.HIT}
        listed = eventually(lambda: _lines(deployment, "list")[3:] and _lines(deployment, "list"), WAIT, "dead letters")
    assert len(listed) == 4
    assert all("unreadable" in line for line in listed[1:])
    shown = _lines(deployment, "show", listed[1].split()[0])
    assert any("can be replayed" in line and "no" in line for line in shown)
    assert _lines(deployment, "replay", "--all") == ["asked again: 0; cannot be read, left alone: 3"]


def test_a_rolling_restart_of_three_kfcs_loses_no_fill(deployment: Deployment, origin: Origin) -> None:
    keys = [origin.url(f"{path.name}?{copy}") for copy in range(8) for path in sorted(PHOTOS.glob("*.jpg"))]
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with deployment.retina(), deployment.embark() as embark, ExitStack() as stack:
        embark.await_ready()
        client = stack.enter_context(EmbArkClient(deployment.target, timeout=WAIT))
        members = [stack.enter_context(deployment.kfc()) for _ in range(3)]
        for member in members:
            member.await_ready()
        for batch in range(3):
            client.lookup(keys[batch::3])
            assert members[batch].terminate() == 0
            stack.enter_context(deployment.kfc())
        eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, WAIT, "every fill")
    assert _lines(deployment, "list")[1:] == []


def test_stops_under_traffic_lose_no_call_and_end_with_0(deployment: Deployment) -> None:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    for _ in range(STOPS):
        with (
            deployment.embark() as embark,
            EmbArkClient(deployment.target, timeout=WAIT) as client,
            ThreadPoolExecutor(CALLERS) as pool,
        ):
            embark.await_ready()
            answered = threading.Semaphore(0)
            drained = threading.Event()
            callers = [pool.submit(_call_until, client, drained, answered) for _ in range(CALLERS)]
            try:
                for _ in range(100):
                    assert answered.acquire(timeout=WAIT)
                assert embark.terminate() == 0
            finally:
                drained.set()
            lost = [error for caller in callers for error in caller.result(WAIT)]
        assert [error for error in lost if "Connection refused" not in error and "draining" not in error] == []


def _call_until(client: EmbArkClient, drained: threading.Event, answered: threading.Semaphore) -> list[str]:
    """Look up again and again; return the errors of calls, of which only those begun after the end are allowed."""
    errors = []
    while not drained.is_set():
        try:
            client.lookup(["https://photographs.example/a.jpg"], timeout=0.5)
            answered.release()
        except UnavailableError as error:
            errors.append(str(error))
    return errors


def _produce(kafka: KafkaServer, deployment: Deployment, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(deployment.settings.kfc.topic.fills, value, key=b"key")
    assert producer.flush(WAIT) == 0


def _lines(deployment: Deployment, *arguments: str) -> list[str]:
    settings = write_settings(deployment.settings.kfc, deployment.folder)
    command = [str(EMBARK), "dead-letters", arguments[0], "--settings", str(settings), *arguments[1:]]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()
