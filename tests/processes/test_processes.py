"""EmbArk, KFC and Retina as three processes on a real Cassandra and a real Kafka."""

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.origin import Origin

pytestmark = [pytest.mark.integration, pytest.mark.real_model]


def test_a_photograph_is_filled_by_three_processes_and_each_ends_with_0(deployment: Deployment, origin: Origin) -> None:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with deployment.retina() as retina, deployment.kfc() as kfc, deployment.embark() as embark:
        embark.await_ready()
        with EmbArkClient(deployment.target, timeout=10.0) as client:
            keys = [origin.url("chelsea.jpg"), origin.url("missing.jpg")]
            assert client.lookup(keys).statuses == (KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_ENQUEUED)
            found = client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
        assert found.statuses == (KeyStatus.HIT, KeyStatus.NEGATIVE)
        assert found.causes[1].kind == "not_found"
        assert [running.terminate() for running in (embark, kfc, retina)] == [0, 0, 0]


def test_services_started_before_the_schema_wait_for_it_and_say_so(deployment: Deployment, origin: Origin) -> None:
    with deployment.retina(), deployment.kfc(), deployment.embark() as embark:
        readiness = eventually(embark.readiness, WAIT, "an answer of /readyz")
        assert "store" in readiness
        assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
        embark.await_ready()
        with EmbArkClient(deployment.target, timeout=10.0) as client:
            key = origin.url("rocket.jpg")
            found = client.lookup([key], on_miss="wait", wait=WAIT, timeout=WAIT)
        assert found.statuses == (KeyStatus.HIT,)


def test_ten_schema_commands_at_once_all_succeed(deployment: Deployment) -> None:
    assert run_schema(deployment.settings.kfc, deployment.folder, times=10) == [0] * 10
