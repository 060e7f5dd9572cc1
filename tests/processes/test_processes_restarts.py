"""Processes that come and go under traffic: each ends with 0, no call and no fill is lost."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.errors import UnavailableError
from embark_testing.deployments.contents import read_dead_letters
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
# Of EmbArk, divided among lanes that run at the same time.
STOPS = int(os.environ.get("EMBARK_STOPS", "100"))
LANES = 4
CALLERS = 2
ANSWERS = 50
# The error of a call that has not left its client because no server accepts calls; any other error is a lost call.
NOT_SENT = "connections to all backends failing"


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
    assert read_dead_letters(deployment) == []


def test_stops_under_traffic_lose_no_call_and_end_with_0(deployment: Deployment) -> None:
    assert run_schema(deployment.settings.kfc, deployment.folder) == [0]
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(_stop_again_and_again, apart, STOPS // LANES) for apart in deployment.apart(LANES)]
    assert [lane.result() for lane in lanes] == [[0] * (STOPS // LANES)] * LANES


def _stop_again_and_again(deployment: Deployment, times: int) -> list[int]:
    return [_stop_under_traffic(deployment) for _ in range(times)]


def _stop_under_traffic(deployment: Deployment) -> int:
    """Start an EmbArk and end it while it answers; return its exit status."""
    answered, ended = threading.Semaphore(0), threading.Event()
    with (
        deployment.embark() as embark,
        EmbArkClient(deployment.target, timeout=WAIT) as client,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        embark.await_ready()
        callers = [pool.submit(_call_until, client, ended, answered) for _ in range(CALLERS)]
        try:
            for _ in range(ANSWERS):
                assert answered.acquire(timeout=WAIT)
            status = embark.terminate()
        finally:
            ended.set()
        errors = [error for caller in callers for error in caller.result(WAIT)]
    assert [error for error in errors if NOT_SENT not in error] == []
    return status


def _call_until(client: EmbArkClient, ended: threading.Event, answered: threading.Semaphore) -> list[str]:
    """Look up again and again; return the errors of calls."""
    errors = []
    while not ended.is_set():
        try:
            client.lookup(["https://photographs.example/a.jpg"], timeout=5.0)
            answered.release()
        except UnavailableError as error:
            errors.append(str(error))
    return errors
