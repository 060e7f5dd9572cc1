"""A candidate that is not fit or not approved: a local cache serves the old space and reports the reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from embark.causes import Cause, CauseKind
from embark.client import EmbArkClient, KeyStatus
from embark.clock import micros, now
from embark.errors import EmbArkError
from embark.names import APPROVED
from embark.spec import EmbeddingCache
from embark.store import Negative
from embark.store.sqlite.adapter import SqliteStore
from embark_local.folders import DATABASE
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, LocalHarness, RecordingReporter, await_switch, space
from embark_testing.worlds.two_spaces import build_cache, text_model, texts

HOUR = timedelta(hours=1)
# Of these, 5 in 100 are texts for which a fussy model has no vector.
SOME_LONG = texts(285) + [f"{key} w1" for key in texts(15, words=9)]


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


def refuse(harness: LocalHarness, wanted: EmbeddingCache, served: EmbeddingCache, keys: list[str], why: str) -> None:
    """Run until the candidate is refused for that reason; lookups continue to read the old space."""
    reporter = RecordingReporter()
    with harness.running(wanted, reporter) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        reporter.await_message(f"not switched to space {space(wanted)}")
        reporter.await_message(why)
        found = client.lookup(keys)
        assert (found.space, set(found.statuses)) == (space(served), {KeyStatus.HIT})
        assert local.rollout is not None
        assert local.rollout.space == space(served)


def test_too_many_failed_keys_keep_the_old_space_until_the_gate_is_changed(harness: LocalHarness) -> None:
    a, strict = harness.cache(2), harness.cache(3, fussy=True, minCoverage="0.5")
    harness.fill(a, SOME_LONG)
    refuse(harness, harness.cache(3, fussy=True), a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    reporter = RecordingReporter()
    with harness.running(strict, reporter) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        await_switch(local, strict)
        found = client.lookup(SOME_LONG[:285])
        assert (found.space, set(found.statuses)) == (space(strict), {KeyStatus.HIT})
        short = client.lookup(SOME_LONG[285:])
        assert short.statuses[0] in {KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING}
        assert not short.vectors.any()


def test_a_later_start_encodes_again_what_the_candidate_failed_on(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3, fussy=True)
    harness.fill(a, SOME_LONG)
    refuse(harness, b, a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    store = SqliteStore(harness.data / DATABASE, now)
    failed = Cause(CauseKind.UNREADABLE, "what a test says")
    store.write(space(b), [Negative(key, failed, now(), expires_at=now() + micros(HOUR)) for key in SOME_LONG[:20]])
    store.close()
    mended = harness.cache(3, fussy=True, minCoverage="0.5")
    with harness.running(mended) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        await_switch(local, mended)
        found = client.lookup(SOME_LONG[:285])
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})


def test_a_fixed_model_supersedes_the_one_that_failed(harness: LocalHarness) -> None:
    a, bad, good = harness.cache(2), harness.cache(3, fussy=True), harness.cache(3)
    harness.fill(a, SOME_LONG)
    refuse(harness, bad, a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    with harness.running(good) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        await_switch(local, good)
        assert set(client.lookup(SOME_LONG).statuses) == {KeyStatus.HIT}
    assert harness.tables() == {space(a), space(good)}


def test_a_model_of_another_dimension_keeps_the_old_space(harness: LocalHarness) -> None:
    a = harness.cache(2)
    harness.fill(a, KEYS)
    refuse(harness, build_cache(harness.models, text_model(3), 4), a, KEYS, "dimension")


def test_a_model_of_another_digest_keeps_the_old_space_until_the_right_file_is_there(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS)
    (installed,) = harness.models.glob(f"*{b.spec.encoder.model.digest[-12:]}*")
    content = installed.read_bytes()
    installed.write_bytes(b"not the model")
    refuse(harness, b, a, KEYS, "digest")
    installed.write_bytes(content)
    with harness.running(b) as local:
        await_switch(local, b)


def test_a_first_model_that_is_refused_is_forgotten(harness: LocalHarness) -> None:
    bad, good = build_cache(harness.models, text_model(3), 4), harness.cache(3)
    with pytest.raises(EmbArkError, match="dimension"), harness.running(bad):
        pass
    with harness.running(good) as local:
        assert local.space == space(good)


def test_a_missing_active_model_is_named_with_what_to_do(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS[:10])
    (installed,) = harness.models.glob(f"*{a.spec.encoder.model.digest[-12:]}*")
    installed.write_bytes(b"not the model")
    with pytest.raises(EmbArkError, match=f"space {space(a)}.*--fresh"), harness.running(b):
        pass


def test_a_manual_rollout_waits_for_an_approval_and_remembers_it(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, approval="Manual"), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter) as local:
        assert local.rollout is not None
        reporter.await_message("plan: 300 keys to encode")
        assert local.rollout.awaits_approval
        assert harness.tables() == {space(a)}
        local.rollout.approve()
        eventually(lambda: harness.annotations.get(APPROVED) == space(b), WAIT)
    with harness.running(b) as local:
        assert local.rollout is not None
        assert not local.rollout.awaits_approval
        await_switch(local, b)


def test_a_manual_rollout_approved_at_the_start_does_not_wait(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3, approval="Manual")
    harness.fill(a, KEYS[:10])
    with harness.running(b, approved=True) as local:
        await_switch(local, b)


def test_a_paused_rollout_is_reported_and_begins_nothing(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, paused=True), RecordingReporter()
    harness.fill(a, KEYS[:10])
    with harness.running(b, reporter):
        reporter.await_message("spec.rollout.paused")
    assert harness.tables() == {space(a)}
    assert reporter.shown == []


def test_the_rate_of_a_rollout_is_in_the_next_plan(harness: LocalHarness) -> None:
    a, b, c, reporter = harness.cache(2), harness.cache(3), harness.cache(4, approval="Manual"), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b) as local:
        await_switch(local, b)
    with harness.running(c, reporter):
        reporter.await_message("at the rate of the last one")


def makes_folder(path: Path) -> bool:
    """Make the folder, and return whether there was nothing at that path."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def test_a_file_that_cannot_be_used_delays_the_rollout_and_no_lookup(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, paused=True), RecordingReporter()
    harness.fill(a, KEYS[:10])
    path, arriving = harness.data / "cache.json", harness.data / "cache.json.new"
    with harness.running(b, reporter) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        reporter.await_message("spec.rollout.paused")
        eventually(lambda: makes_folder(arriving), WAIT)  # every write fails from now on
        kept = path.read_text()
        path.write_text(kept[:100])
        reporter.await_message("cache.json cannot be read")
        path.write_text(kept.replace('"paused": true', '"paused": false'))
        reporter.await_message("cache.json cannot be written")
        assert local.failure() is None
        found = client.lookup(KEYS[:10])
        assert (found.space, set(found.statuses)) == (space(a), {KeyStatus.HIT})
        arriving.rmdir()
        await_switch(local, b)
