"""The local mode goes over to another space while it answers, and back."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError
from embark_testing.embark.constant_lookups import ConstantLookups
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, Bench, Witness, on, space
from embark_testing.worlds.two_spaces import texts


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_change_of_the_model_fails_no_lookup_and_mixes_no_spaces(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3), Witness()
    bench.fill(a, KEYS)
    with bench.running(b, witness) as local:
        assert local.space == space(a)
        lookups = ConstantLookups(local.target, KEYS, {space(a): 2, space(b): 3})
        with lookups.running():
            on(local, b)
        assert lookups.problems == []
        assert lookups.spaces[-1] == space(b)
        assert set(lookups.spaces) <= {space(a), space(b)}
        with EmbArkClient(local.target, timeout=WAIT) as client:
            pinned = client.lookup(KEYS, space=space(a))
        assert (pinned.space, pinned.vectors.shape, set(pinned.statuses)) == (space(a), (300, 2), {KeyStatus.HIT})
    done = [progress.done for progress in witness.shown]
    assert done == sorted(done)
    assert (done[0], done[-1], witness.shown[-1].share) == (0, 300, 1.0)
    assert "plan: 300 keys to encode" in witness.said[0]


def test_keys_asked_for_during_the_rollout_are_hits_at_the_switch(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3, maxKeysPerSecond=150)
    bench.fill(a, KEYS)
    new = [f"{key} w9" for key in texts(20)]
    with bench.running(b) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        found = client.lookup(new, on_miss="wait", wait=WAIT, timeout=WAIT)
        assert (found.space, set(found.statuses)) == (space(a), {KeyStatus.HIT})
        on(local, b)
        found = client.lookup(KEYS + new)
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})


def test_a_stopped_rollout_goes_on_from_its_checkpoints(bench: Bench) -> None:
    a, b, slow = bench.cache(2), bench.cache(3), bench.cache(3, maxKeysPerSecond=60)
    bench.fill(a, KEYS)
    first, second = Witness(), Witness()
    with bench.running(slow, first):
        eventually(lambda: first.shown and first.shown[-1].done > 20, WAIT, "a part")
    with bench.running(b, second) as local:
        on(local, b)
    assert 20 < second.shown[0].done < 300
    assert second.shown[-1].done == 300


def test_setting_the_manifest_back_is_instant_and_drops_the_other_space(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3), Witness()
    bench.fill(a, KEYS)
    with bench.running(b) as local:
        on(local, b)
    assert bench.tables() == {space(a), space(b)}
    with bench.running(a, witness) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        assert local.space == space(a)
        assert set(client.lookup(KEYS).statuses) == {KeyStatus.HIT}
        witness.await_said(f"space {space(b)} is dropped")
    assert witness.shown == []
    assert bench.tables() == bench.groups() == {space(a)}


def test_a_superseded_candidate_leaves_nothing(bench: Bench) -> None:
    a, b, c = bench.cache(2), bench.cache(3, maxKeysPerSecond=60), bench.cache(4)
    bench.fill(a, KEYS)
    witness = Witness()
    with bench.running(b, witness):
        eventually(lambda: witness.shown and witness.shown[-1].done, WAIT, "a part")
    with bench.running(c) as local:
        on(local, c)
    assert bench.tables() == bench.groups() == {space(a), space(c)}


def test_a_previous_space_whose_time_is_over_is_dropped_while_running(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3, keepPrevious="1h"), Witness()
    bench.fill(a, KEYS)
    with bench.running(b, witness) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        on(local, b)
        assert client.lookup(KEYS[:1], space=space(a)).space == space(a)
        bench.ahead = timedelta(minutes=61)
        witness.await_said(f"space {space(a)} is dropped")
        assert set(client.lookup(KEYS).statuses) == {KeyStatus.HIT}
        with pytest.raises(EmbArkError, match="not served here"):
            client.lookup(KEYS[:1], space=space(a))
    assert bench.tables() == bench.groups() == {space(b)}


def test_a_previous_space_whose_time_is_over_is_dropped_at_the_start(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3, keepPrevious="1h"), Witness()
    bench.fill(a, KEYS[:10])
    with bench.running(b) as local:
        on(local, b)
    bench.ahead = timedelta(minutes=61)
    with bench.running(b, witness):
        witness.await_said(f"space {space(a)} is dropped")
    assert bench.tables() == {space(b)}


def test_forgetting_forgets_the_rollout_too(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3)
    bench.fill(a, KEYS[:10])
    with bench.running(b, fresh=True) as local:
        assert local.space == space(b)
    assert bench.tables() == {space(b)}


def test_beside_look_ups_it_goes_at_their_pace(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    a, b = bench.cache(2), bench.cache(3, maxLookupSlowdown=2)
    bench.fill(a, KEYS)
    with bench.running(b) as local:
        lookups = ConstantLookups(local.target, KEYS, {space(a): 2, space(b): 3})
        with lookups.running():
            on(local, b)
        assert lookups.problems == []
    assert "the re-embedding runs as fast as lookups bear" in caplog.messages
