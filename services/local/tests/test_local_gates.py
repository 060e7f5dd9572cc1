"""A candidate that is not fit, or not approved, in the local mode: the old space is served, and the reason is said."""

from datetime import timedelta
from pathlib import Path

import pytest

from embark.causes import Cause, CauseKind
from embark.client import EmbArkClient, KeyStatus
from embark.clock import micros, now
from embark.errors import EmbArkError
from embark.spec import EmbeddingCache
from embark.store import Negative
from embark.store.sqlite.adapter import SqliteStore
from embark_local.folders import DATABASE
from embark_local.rollout_files import read_kept
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import KEYS, WAIT, Bench, Witness, on, space
from embark_testing.worlds.two_spaces import cache_of, text_model, texts

HOUR = timedelta(hours=1)
# Of these, 5 in 100 are texts for which a fussy model has no vector.
SOME_LONG = texts(285) + [f"{key} w1" for key in texts(15, words=9)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refuse(bench: Bench, wanted: EmbeddingCache, served: EmbeddingCache, keys: list[str], why: str) -> None:
    """Run until the candidate is refused for that reason, and see that look-ups go on with the old space."""
    witness = Witness()
    with bench.running(wanted, witness) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        witness.await_said(f"not switched to space {space(wanted)}")
        witness.await_said(why)
        found = client.lookup(keys)
        assert (found.space, set(found.statuses)) == (space(served), {KeyStatus.HIT})
        assert local.rollout is not None
        assert local.rollout.space == space(served)


def test_too_many_keys_that_fail_keep_the_old_space_and_a_fixed_gate_goes_on(bench: Bench) -> None:
    a, strict = bench.cache(2), bench.cache(3, fussy=True, minCoverage="0.5")
    bench.fill(a, SOME_LONG)
    refuse(bench, bench.cache(3, fussy=True), a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    witness = Witness()
    with bench.running(strict, witness) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        on(local, strict)
        found = client.lookup(SOME_LONG[:285])
        assert (found.space, set(found.statuses)) == (space(strict), {KeyStatus.HIT})
        short = client.lookup(SOME_LONG[285:])
        assert short.statuses[0] in {KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING}
        assert not short.vectors.any()


def test_a_later_start_encodes_again_what_the_candidate_failed_on(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3, fussy=True)
    bench.fill(a, SOME_LONG)
    refuse(bench, b, a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    store = SqliteStore(bench.data / DATABASE, now)
    failed = Cause(CauseKind.UNREADABLE, "what a test says")
    store.write(space(b), [Negative(key, failed, now(), expires_at=now() + micros(HOUR)) for key in SOME_LONG[:20]])
    store.close()
    mended = bench.cache(3, fussy=True, minCoverage="0.5")
    with bench.running(mended) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        on(local, mended)
        found = client.lookup(SOME_LONG[:285])
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})


def test_a_fixed_model_supersedes_the_one_that_failed(bench: Bench) -> None:
    a, bad, good = bench.cache(2), bench.cache(3, fussy=True), bench.cache(3)
    bench.fill(a, SOME_LONG)
    refuse(bench, bad, a, SOME_LONG, "spec.rollout.minCoverage is 0.99")
    with bench.running(good) as local, EmbArkClient(local.target, timeout=WAIT) as client:
        on(local, good)
        assert set(client.lookup(SOME_LONG).statuses) == {KeyStatus.HIT}
    assert bench.tables() == {space(a), space(good)}


def test_a_model_of_another_dimension_keeps_the_old_space(bench: Bench) -> None:
    a = bench.cache(2)
    bench.fill(a, KEYS)
    refuse(bench, cache_of(bench.models, text_model(3), 4), a, KEYS, "dimension")


def test_a_model_of_another_digest_keeps_the_old_space_and_the_right_file_goes_on(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3)
    bench.fill(a, KEYS)
    (installed,) = bench.models.glob(f"*{b.spec.encoder.model.digest[-12:]}*")
    content = installed.read_bytes()
    installed.write_bytes(b"not the model")
    refuse(bench, b, a, KEYS, "digest")
    installed.write_bytes(content)
    with bench.running(b) as local:
        on(local, b)


def test_a_first_model_that_is_refused_is_forgotten(bench: Bench) -> None:
    bad, good = cache_of(bench.models, text_model(3), 4), bench.cache(3)
    with pytest.raises(EmbArkError, match="dimension"), bench.running(bad):
        pass
    with bench.running(good) as local:
        assert local.space == space(good)


def test_an_active_model_that_is_gone_is_named_with_what_to_do(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3)
    bench.fill(a, KEYS[:10])
    (installed,) = bench.models.glob(f"*{a.spec.encoder.model.digest[-12:]}*")
    installed.write_bytes(b"not the model")
    with pytest.raises(EmbArkError, match=f"space {space(a)}.*--fresh"), bench.running(b):
        pass


def test_a_manual_rollout_waits_for_an_approval_and_remembers_it(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3, approval="Manual"), Witness()
    bench.fill(a, KEYS)
    with bench.running(b, witness) as local:
        assert local.rollout is not None
        witness.await_said("plan: 300 keys to encode")
        assert local.rollout.awaits_approval
        assert bench.tables() == {space(a)}
        local.rollout.approve()
        eventually(lambda: (kept := read_kept(bench.data)) and kept.candidate and kept.candidate.approved, WAIT)
    with bench.running(b) as local:
        assert local.rollout is not None
        assert not local.rollout.awaits_approval
        on(local, b)


def test_a_manual_rollout_that_is_approved_at_the_start_does_not_wait(bench: Bench) -> None:
    a, b = bench.cache(2), bench.cache(3, approval="Manual")
    bench.fill(a, KEYS[:10])
    with bench.running(b, approved=True) as local:
        on(local, b)


def test_a_paused_rollout_says_so_and_begins_nothing(bench: Bench) -> None:
    a, b, witness = bench.cache(2), bench.cache(3, paused=True), Witness()
    bench.fill(a, KEYS[:10])
    with bench.running(b, witness):
        witness.await_said("spec.rollout.paused")
    assert bench.tables() == {space(a)}
    assert witness.shown == []


def test_the_rate_of_a_rollout_is_in_the_next_plan(bench: Bench) -> None:
    a, b, c, witness = bench.cache(2), bench.cache(3), bench.cache(4, approval="Manual"), Witness()
    bench.fill(a, KEYS)
    with bench.running(b) as local:
        on(local, b)
    with bench.running(c, witness):
        witness.await_said("at the rate of the last one")
