"""kill -9 of KFC at each point between a record and its offset: nothing is lost, and repeated fills are equal."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import embark_testing
from embark.client import EmbArkClient, KeyStatus
from embark_testing.deployments.contents import read_dead_letters, read_lag, read_vectors
from embark_testing.deployments.deployment import WAIT, Deployment, deployment_on
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
SCRIPT = Path(embark_testing.__file__).parent / "kfc" / "killed.py"
NAMES = sorted(path.name for path in PHOTOS.glob("*.jpg"))
COPIES = 4
ITEMS = 16


class Kill(NamedTuple):
    """The point, how often it is reached, and how many keys may be encoded twice: those of the call in flight."""

    point: str
    times: int
    twice: range


KILLS = [
    Kill("after poll", 1, range(ITEMS + 1)),
    Kill("after Retina's answer", 2, range(1, ITEMS + 1)),
    Kill("after the write", 2, range(1)),
    Kill("after the offset store", 2, range(ITEMS + 1)),
]


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, cassandra: CassandraServer, kafka: KafkaServer
) -> Deployment:
    """A cache whose KFC has at most one Encode call in flight, so that a test knows its keys."""
    shared = deployment_on(
        cassandra,
        kafka,
        tmp_path_factory.mktemp("kills"),
        models_folder,
        kfc={"maxInflight": 1},
        encoder={"batch": {"maxSize": ITEMS}},
    )
    assert run_schema(shared.settings.kfc, shared.folder) == [0]
    return shared


@pytest.fixture(scope="module")
def client(deployment: Deployment) -> Iterator[EmbArkClient]:
    """A client of EmbArk, which runs with Retina for all tests of this file."""
    with deployment.retina(), deployment.embark() as embark, EmbArkClient(deployment.target, timeout=WAIT) as client:
        embark.await_ready()
        yield client


@pytest.mark.parametrize("kill", KILLS, ids=[kill.point for kill in KILLS])
def test_kill_9_of_kfc_loses_nothing_and_encodes_only_the_keys_in_flight_again(
    deployment: Deployment, client: EmbArkClient, origin: Origin, kill: Kill
) -> None:
    earlier = [origin.url(name) for name in NAMES]
    keys = [origin.url(f"{name}?{copy}") for copy in range(COPIES) for name in NAMES]
    armed = deployment.folder / kill.point
    arguments = ("--point", kill.point, "--times", str(kill.times), "--armed", str(armed))
    with deployment.kfc(SCRIPT, *arguments) as kfc:
        client.lookup(earlier, on_miss="wait", wait=WAIT)
        eventually(lambda: read_lag(deployment) == 0, WAIT, "earlier requests are committed")
        armed.touch()
        client.lookup(keys)
        assert kfc.wait() == -signal.SIGKILL, kfc.log.read_text()
    written = read_vectors(deployment, keys)
    with deployment.kfc():
        eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, WAIT, "every fill")
        eventually(lambda: read_lag(deployment) == 0, WAIT, "every record is finished")
    twice = {origin.url(path) for path, count in origin.requested.items() if count == 2}
    assert sum(origin.requested.values()) == len(earlier) + len(keys) + len(twice)
    assert len(twice) in kill.twice
    assert twice & {*earlier, *written} == set()
    _assert_equal_writes(written, read_vectors(deployment, keys))
    assert read_dead_letters(deployment) == []


def _assert_equal_writes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """Assert that written vectors are unchanged, and that all keys of a photograph have the same vector."""
    assert {key: after[key] for key in before} == before
    for name in NAMES:
        assert len({vector for key, vector in after.items() if f"/{name}?" in key}) == 1
