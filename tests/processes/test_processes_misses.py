"""Many misses of few keys on several EmbArk processes: one record per key and process, one encode per key."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark_testing.deployments.contents import read_dead_letters, read_fills, read_lag
from embark_testing.deployments.deployment import WAIT, Deployment
from embark_testing.deployments.processes import run_schema
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin

pytestmark = [pytest.mark.integration, pytest.mark.real_model]
PROCESSES = 4
KEYS = 100
LOOKUPS = 25
"""Of each key, on each process."""


def test_10_000_misses_of_100_keys_on_four_processes_cause_one_record_per_key_and_process_and_100_encodes(
    deployment: Deployment, origin: Origin
) -> None:
    names = [path.name for path in sorted(PHOTOS.glob("*.jpg"))]
    keys = [origin.url(f"{names[number % len(names)]}?{number}") for number in range(KEYS)]
    # On any machine, all misses fall into one window, and no fill fails while the origin withholds its answers.
    patient = deployment.changed(
        embark={"repeat_window": timedelta(minutes=10)},
        retina={"fetch": deployment.settings.retina.fetch.model_copy(update={"timeout": timedelta(minutes=1)})},
    )
    assert run_schema(patient.settings.kfc, patient.folder) == [0]
    with patient.retina(), patient.kfc(), ExitStack() as stack:
        processes = [stack.enter_context(apart.embark()) for apart in patient.apart(PROCESSES)]
        for process in processes:
            process.await_ready()
        clients = [stack.enter_context(EmbArkClient(process.target, timeout=WAIT)) for process in processes]
        origin.answering.clear()
        with ThreadPoolExecutor(PROCESSES) as pool:
            statuses = list(pool.map(lambda client: _look_up(client, keys), clients))
        origin.answering.set()
        once = {KeyStatus.OOV_ENQUEUED: KEYS, KeyStatus.OOV_PENDING: KEYS * (LOOKUPS - 1)}
        assert statuses == [once] * PROCESSES
        eventually(lambda: _all_hit(clients, keys), WAIT, "every process sees every fill")
        eventually(lambda: read_lag(patient) == 0, WAIT, "every record is committed")
    assert Counter(fill.key.decode() for fill in read_fills(patient)) == dict.fromkeys(keys, PROCESSES)
    assert sorted(origin.requested.values()) == [1] * KEYS
    assert read_dead_letters(patient) == []


def _look_up(client: EmbArkClient, keys: list[str]) -> Counter[KeyStatus]:
    statuses: Counter[KeyStatus] = Counter()
    for _ in range(LOOKUPS):
        statuses.update(client.lookup(keys).statuses)
    return statuses


def _all_hit(clients: list[EmbArkClient], keys: list[str]) -> bool:
    return all(set(client.lookup(keys).statuses) == {KeyStatus.HIT} for client in clients)
