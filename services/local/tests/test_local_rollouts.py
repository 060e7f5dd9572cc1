"""A local cache moves to another space while it answers lookups, and back."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError
from embark_testing.embark.constant_lookups import ConstantLookups
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, LocalHarness, RecordingReporter, await_switch, space
from embark_testing.worlds.two_spaces import texts


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


def test_a_change_of_the_model_fails_no_lookup_and_mixes_no_spaces(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter) as local:
        assert local.space == space(a)
        lookups = ConstantLookups(local.target, KEYS, {space(a): 2, space(b): 3})
        with lookups.running():
            await_switch(local, b)
        assert lookups.problems == []
        assert lookups.spaces[-1] == space(b)
        assert set(lookups.spaces) <= {space(a), space(b)}
        with EmbArkClient(local.target, timeout=WAIT) as client:
            pinned = client.lookup(KEYS, space=space(a))
        assert (pinned.space, pinned.vectors.shape, set(pinned.statuses)) == (space(a), (300, 2), {KeyStatus.HIT})
    done = [progress.done for progress in reporter.shown]
    assert done == sorted(done)
    assert (done[0], done[-1], reporter.shown[-1].share) == (0, 300, 1.0)
    assert "plan: 300 keys to encode" in reporter.messages[0]


def test_keys_requested_during_the_rollout_are_hits_at_the_switch(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3, maxKeysPerSecond=150)
    harness.fill(a, KEYS)
    new = [f"{key} w9" for key in texts(20)]
    with harness.running(b) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        found = client.lookup(new, on_miss="wait", wait=WAIT, timeout=WAIT)
        assert (found.space, set(found.statuses)) == (space(a), {KeyStatus.HIT})
        await_switch(local, b)
        found = client.lookup(KEYS + new)
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})


def test_a_stopped_rollout_continues_from_its_checkpoints(harness: LocalHarness) -> None:
    a, b, slow = harness.cache(2), harness.cache(3), harness.cache(3, maxKeysPerSecond=60)
    harness.fill(a, KEYS)
    first, second = RecordingReporter(), RecordingReporter()
    with harness.running(slow, first):
        eventually(lambda: first.shown and first.shown[-1].done > 20, WAIT, "a part")
    with harness.running(b, second) as local:
        await_switch(local, b)
    assert 20 < second.shown[0].done < 300
    assert second.shown[-1].done == 300


def test_setting_the_manifest_back_is_instant_and_drops_the_other_space(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b) as local:
        await_switch(local, b)
    assert harness.tables() == {space(a), space(b)}
    with harness.running(a, reporter) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        assert local.space == space(a)
        assert set(client.lookup(KEYS).statuses) == {KeyStatus.HIT}
        reporter.await_message(f"space {space(b)} is dropped")
    assert reporter.shown == []
    assert harness.tables() == harness.groups() == {space(a)}


def test_a_superseded_candidate_leaves_nothing(harness: LocalHarness) -> None:
    a, b, c = harness.cache(2), harness.cache(3, maxKeysPerSecond=60), harness.cache(4)
    harness.fill(a, KEYS)
    reporter = RecordingReporter()
    with harness.running(b, reporter):
        eventually(lambda: reporter.shown and reporter.shown[-1].done, WAIT, "a part")
    with harness.running(c) as local:
        await_switch(local, c)
    assert harness.tables() == harness.groups() == {space(a), space(c)}


def test_a_previous_space_whose_time_is_over_is_dropped_while_running(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, keepPrevious="1h"), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        await_switch(local, b)
        assert client.lookup(KEYS[:1], space=space(a)).space == space(a)
        harness.ahead = timedelta(minutes=61)
        reporter.await_message(f"space {space(a)} is dropped")
        assert set(client.lookup(KEYS).statuses) == {KeyStatus.HIT}
        with pytest.raises(EmbArkError, match="not served here"):
            client.lookup(KEYS[:1], space=space(a))
    assert harness.tables() == harness.groups() == {space(b)}


def test_a_previous_space_whose_time_is_over_is_dropped_at_the_start(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, keepPrevious="1h"), RecordingReporter()
    harness.fill(a, KEYS[:10])
    with harness.running(b) as local:
        await_switch(local, b)
    harness.ahead = timedelta(minutes=61)
    with harness.running(b, reporter):
        reporter.await_message(f"space {space(a)} is dropped")
    assert harness.tables() == {space(b)}


def test_forgetting_forgets_the_rollout_too(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS[:10])
    with harness.running(b, fresh=True) as local:
        assert local.space == space(b)
    assert harness.tables() == {space(b)}


def test_lookups_set_the_pace_of_the_scan(harness: LocalHarness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    a, b = harness.cache(2), harness.cache(3, maxLookupSlowdown=2)
    harness.fill(a, KEYS)
    with harness.running(b) as local:
        lookups = ConstantLookups(local.target, KEYS, {space(a): 2, space(b): 3})
        with lookups.running():
            await_switch(local, b)
        assert lookups.problems == []
    assert "the re-embedding runs as fast as lookups bear" in caplog.messages
