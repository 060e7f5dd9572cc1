"""Re-embedding by processes on real servers: no key is omitted and few are encoded twice, whichever process dies."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from threading import Event

import pytest

from embark.causes import Cause, CauseKind
from embark.client import KeyStatus
from embark.rollout.verdict import find_gate_failure
from embark.settings import KfcSettings
from embark.spec.rollout import Rollout
from embark.store import REEMBED_RANGES, Negative
from embark_testing.deployments.group_contents import list_groups
from embark_testing.deployments.processes import Service, service
from embark_testing.embark.constant_lookups import collect_statuses
from embark_testing.eventually import eventually
from embark_testing.kfc.reembedded_caches import (
    INFLIGHT,
    ITEMS,
    CountingRetina,
    ReembeddedCache,
    reembedded_cache,
    space_vector,
)
from embark_testing.servers.cassandra_keyspaces import cql_session
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.kafka_server import KafkaServer
from kfc.reembed.__main__ import LOWEST_PRIORITY

pytestmark = pytest.mark.integration
WAIT = 60.0
KEYS = [f"https://photos.example/{number:04}.jpg" for number in range(2000)]
ROLLOUTS = 10
OUTAGE_SECONDS = 10
# Seconds of each Encode call: long enough that a process dies with calls in flight.
ENCODE_SECONDS = 0.02
UNDECODABLE = Cause(CauseKind.UNDECODABLE, "not an image to this model")


@pytest.fixture
def cache(tmp_path: Path, cassandra: CassandraServer, kafka: KafkaServer) -> ReembeddedCache:
    """A cache whose space 0 has every key."""
    cache = reembedded_cache(cassandra, kafka, tmp_path)
    cache.make(cache.space(0))
    cache.fill(0, KEYS)
    return cache


@pytest.fixture
def retina(cache: ReembeddedCache) -> Iterator[CountingRetina]:
    """The Retina of space 1."""
    with _retina(cache, 1) as retina:
        yield retina


@pytest.fixture
def candidate(cache: ReembeddedCache, retina: CountingRetina) -> KfcSettings:
    """Space 1, created, and to be re-embedded from space 0."""
    settings = cache.space(1, source=0, retina=retina.target)
    cache.make(settings)
    return settings


@pytest.fixture
def tables(cache: ReembeddedCache, cassandra: CassandraServer) -> Iterator[Callable[[], set[str]]]:
    """Return the tables of the cache's keyspace."""
    query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
    with cql_session(cassandra) as session:
        yield lambda: {name for (name,) in session.execute(query, (cache.name,))}


def test_a_candidate_gets_every_key_and_both_spaces_get_new_requests_until_it_is_dropped(
    cache: ReembeddedCache, retina: CountingRetina, candidate: KfcSettings, tables: Callable[[], set[str]]
) -> None:
    requested = [f"https://photos.example/new-{number}.jpg" for number in range(100)]
    expected = {key: space_vector(1, key) for key in [*KEYS, *requested]}
    with _retina(cache, 0) as old, ExitStack() as stack:
        active = cache.space(0, retina=old.target)
        kfcs = [stack.enter_context(cache.start("kfc", settings)) for settings in (active, candidate)]
        with _reembedding(cache, candidate) as processes:
            for start in range(0, len(requested), 10):
                _await_encoded(retina, len(KEYS) * start // len(requested))
                cache.request(requested[start : start + 10])
            _await_end(*processes)
        eventually(lambda: cache.vectors(1) == expected, WAIT, "every key in the candidate")
        eventually(lambda: cache.vectors(0).keys() == expected.keys(), WAIT, "every key in the active space")
        assert [kfc.terminate() for kfc in kfcs] == [0, 0]
    assert {retina.fake.times[key] for key in KEYS} == {1}
    assert cache.progress(1)[0] == REEMBED_RANGES
    verdict = cache.verify(candidate)
    assert (verdict.keys, verdict.held, verdict.failed, verdict.faults) == (len(expected), len(expected), 0, ())
    assert candidate.consumer_group in list_groups(candidate.topic)
    cache.drop(candidate)
    assert tables() == {f"embeddings_{active.space.id}", "rollout_progress"}
    assert cache.progress(1) == (0, 0, 0)
    assert candidate.consumer_group not in list_groups(candidate.topic)
    assert cache.vectors(0).keys() == expected.keys()


def test_lookups_limit_it_and_it_omits_no_key(
    cache: ReembeddedCache, retina: CountingRetina, candidate: KfcSettings
) -> None:
    embark = cache.embark(0)
    probes = {"host": embark.listen.host, "port": embark.listen.probes_port}
    with service("embark_server", embark, cache.folder) as serving:
        serving.await_ready()
        with (
            collect_statuses(serving.target, KEYS) as statuses,
            cache.reembed(candidate, max_lookup_slowdown=50, embark=probes) as reembedding,
        ):
            reembedding.await_ready()
            eventually(lambda: 0 < reembedding.metric("embark_reembed_limit") < inf, WAIT, "a limit")
            _await_end(reembedding)
        assert statuses == {KeyStatus.HIT}
    _assert_like_undisturbed(cache)
    assert retina.encoded == len(KEYS)


def test_kill_9_at_several_moments_omits_no_key_and_written_keys_are_not_encoded_again(
    cache: ReembeddedCache, retina: CountingRetina, candidate: KfcSettings
) -> None:
    held: list[set[str]] = []
    for moment in (1, 400, 1000, 1600):
        with _reembedding(cache, candidate) as processes:
            _await_encoded(retina, moment)
            for process in processes:
                process.kill()
                assert process.wait() == -signal.SIGKILL, "it had ended before it was killed"
        held.append(set(cache.vectors(1)))
    with _reembedding(cache, candidate) as processes:
        _await_end(*processes)
    _assert_like_undisturbed(cache)
    lost = {key: sum(key not in written for written in held) for key in KEYS}
    again = {key: times - 1 for key, times in retina.fake.times.items() if times > 1}
    print(f"held at the kills: {[len(written) for written in held]}; encoded again: {sum(again.values())}")
    assert {key for key, times in again.items() if times > lost[key]} == set()
    assert held[-1] - held[0], "nothing was written between the kills"


def test_a_stopped_cassandra_and_a_killed_retina_omit_no_key_and_cost_only_the_calls_in_flight(
    cache: ReembeddedCache, retina: CountingRetina, candidate: KfcSettings, cassandra: CassandraServer
) -> None:
    with _reembedding(cache, candidate) as processes:
        _await_encoded(retina, 500)
        cassandra.suspend()
        try:
            retina.kill()
            Event().wait(OUTAGE_SECONDS)
            # A process whose writes hang soon has no Encode call in flight, and reports only the store.
            eventually(lambda: all(map(_reports_outage, processes)), WAIT, "the outage is reported")
            assert {os.getpriority(os.PRIO_PROCESS, process.pid) for process in processes} == {LOWEST_PRIORITY}
            retina.start()
        finally:
            cassandra.resume()
        _await_end(*processes)
    _assert_like_undisturbed(cache)
    again = retina.encoded - len(KEYS)
    print(f"encoded again: {again}")
    assert again <= len(processes) * INFLIGHT * ITEMS


def test_keys_that_the_new_model_cannot_decode_are_in_the_verdict_and_change_nothing_in_the_active_space(
    cache: ReembeddedCache, retina: CountingRetina, candidate: KfcSettings
) -> None:
    before = cache.rows(0)
    lost = KEYS[::20]
    retina.fake.causes = dict.fromkeys(lost, UNDECODABLE)
    with _reembedding(cache, candidate) as processes:
        _await_end(*processes)
    assert cache.progress(1) == (REEMBED_RANGES, len(KEYS) - len(lost), len(lost))
    verdict = cache.verify(candidate)
    assert (verdict.keys, verdict.held, verdict.failed) == (len(KEYS), len(KEYS), len(lost))
    assert "100 of 2000 keys could not be encoded (5.00%)" in find_gate_failure(verdict, Rollout())
    assert verdict.lost
    assert {named.rpartition(f": {UNDECODABLE}")[0] for named in verdict.lost} <= set(lost)
    negatives = {key: row.cause for key, row in cache.rows(1).items() if isinstance(row, Negative)}
    assert negatives == dict.fromkeys(lost, UNDECODABLE)
    assert cache.rows(0) == before
    assert cache.progress(1) == (0, 0, 0), "a resumed rollout would not look at these keys again"


def test_ten_rollouts_in_a_row_leave_only_the_last_space(
    cache: ReembeddedCache, tables: Callable[[], set[str]]
) -> None:
    before = list_groups(cache.first.topic)
    for number in range(1, ROLLOUTS + 1):
        with _retina(cache, number) as retina:
            settings = cache.space(number, source=number - 1, retina=retina.target)
            cache.make(settings)
            with cache.reembed(settings) as process:
                _await_end(process)
            cache.drop(cache.space(number - 1))
    last = cache.space(ROLLOUTS)
    assert cache.vectors(ROLLOUTS) == {key: space_vector(ROLLOUTS, key) for key in KEYS}
    assert tables() == {f"embeddings_{last.space.id}", "rollout_progress"}
    assert [number for number in range(ROLLOUTS) if cache.progress(number) != (0, 0, 0)] == []
    assert list_groups(last.topic) - before == {last.consumer_group}


@contextmanager
def _retina(cache: ReembeddedCache, number: int) -> Iterator[CountingRetina]:
    never = Event()
    retina = CountingRetina(cache, number, lambda: never.wait(ENCODE_SECONDS))
    try:
        yield retina
    finally:
        retina.kill()


@contextmanager
def _reembedding(cache: ReembeddedCache, candidate: KfcSettings) -> Iterator[list[Service]]:
    with cache.reembed(candidate, 0, 2) as one, cache.reembed(candidate, 1, 2) as two:
        yield [one, two]


def _await_encoded(retina: CountingRetina, keys: int) -> None:
    eventually(lambda: retina.encoded >= keys, WAIT, f"{keys} keys are encoded")


def _await_end(*processes: Service) -> None:
    for process in processes:
        assert process.wait() == 0, process.log.read_text()


def _assert_like_undisturbed(cache: ReembeddedCache) -> None:
    assert cache.vectors(1) == {key: space_vector(1, key) for key in KEYS}
    assert cache.progress(1) == (REEMBED_RANGES, len(KEYS), 0)


def _reports_outage(process: Service) -> bool:
    reason = process.readiness()
    return "store: " in reason or "retina unreachable" in reason
