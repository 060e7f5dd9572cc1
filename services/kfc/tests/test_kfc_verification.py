"""The verdict on a candidate: held keys, failed keys and invalid vectors."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.errors import UnavailableError
from embark.rollout.verdict import MAX_FAULTS, MAX_LOST, Verdict, find_gate_failure
from embark.space import VectorForm
from embark.spec import DType
from embark.spec.rollout import Rollout
from embark.store import Embedding, Negative, RolloutStore, Served, split_ring
from embark.store.memory import MemoryStore
from embark.store.sqlite.adapter import SqliteStore
from embark.termination import MAX_TERMINATION_BYTES, TerminationMessage
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.parts import NOT_FOUND, UNREACHABLE
from embark_testing.kfc.reembed_harness import (
    SOURCE,
    UNDECODABLE,
    FiniteEncoder,
    FlakyLife,
    MortalStore,
    ReembedHarness,
)
from kfc.verify.verification import DEFAULT_LIMITS, VerifyLimits, find_faults, fit, verify

FORM = VectorForm(2, DType.FLOAT32)
GATE = Rollout()


@pytest.fixture(params=["memory", "sqlite"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReembedHarness]:
    clock = FakeClock()
    store: RolloutStore = (
        MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "embark.db", clock)
    )
    harness = ReembedHarness(store, clock)
    harness.encoder = FiniteEncoder()
    yield harness
    store.close()


def _verify(harness: ReembedHarness, limits: VerifyLimits = DEFAULT_LIMITS) -> Verdict:
    return verify(harness.store, SOURCE, harness.settings.space, limits=limits)


def test_a_space_that_was_re_embedded_passes_with_every_key_counted(harness: ReembedHarness) -> None:
    harness.fill(100)
    harness.fill_negative("missing", NOT_FOUND)
    harness.run()
    verdict = _verify(harness)
    assert verdict == Verdict(keys=101, held=101, failed=0, sampled=100)
    assert find_gate_failure(verdict, GATE) == ""


def test_missing_keys_are_not_held(harness: ReembedHarness) -> None:
    keys = harness.fill(100)
    harness.run()
    harness.store.delete(harness.space, keys[:2], harness.clock.at)
    verdict = _verify(harness)
    assert (verdict.keys, verdict.held, verdict.failed) == (100, 98, 0)
    assert "98 of 100 keys" in find_gate_failure(verdict, GATE)


def test_keys_with_a_new_negative_count_as_held_and_failed(harness: ReembedHarness) -> None:
    keys = harness.fill(100)
    harness.encoder.causes |= dict.fromkeys(keys[:5], UNDECODABLE)
    harness.fill_negative("never was one", UNDECODABLE)
    harness.encoder.causes["never was one"] = UNDECODABLE
    harness.run()
    verdict = _verify(harness)
    assert (verdict.keys, verdict.held, verdict.failed) == (101, 101, 5)
    assert "5 of 101 keys could not be encoded" in find_gate_failure(verdict, GATE)
    assert sorted(verdict.lost) == [f"{key}: {UNDECODABLE}" for key in sorted(keys[:5])]


def test_a_few_of_many_lost_keys_are_named_even_if_they_are_long(harness: ReembedHarness) -> None:
    keys = [f"{number:\x01>7000}" for number in range(20)]
    harness.store.write(SOURCE, [Embedding(key, b"old", 1) for key in keys])
    harness.encoder.causes |= dict.fromkeys(keys, UNDECODABLE)
    harness.run()
    verdict = _verify(harness)
    assert verdict.failed == 20
    assert 0 < len(verdict.lost) <= MAX_LOST
    assert len(TerminationMessage(verdict=verdict).to_json().encode()) <= MAX_TERMINATION_BYTES == 4096


def test_faults_take_precedence_over_lost_keys_in_a_termination_message() -> None:
    whole = Verdict(keys=1, held=1, failed=1, sampled=1, faults=("f" * 3000,), lost=("a" * 700, "b" * 700))
    assert fit(whole) == whole.model_copy(update={"lost": whole.lost[:1]})


def test_a_negative_of_the_source_counts_until_it_expires(harness: ReembedHarness) -> None:
    harness.fill(9)
    harness.run()
    harness.store.write(SOURCE, [Negative("away", UNREACHABLE, 1, harness.clock.at + 1000)])
    assert (_verify(harness).keys, _verify(harness).held) == (10, 9)
    harness.clock.advance(timedelta(milliseconds=1))
    assert (_verify(harness).keys, _verify(harness).held) == (9, 9)


def test_a_key_deleted_from_both_spaces_during_the_check_does_not_count(harness: ReembedHarness) -> None:
    harness.fill(9)
    harness.run()

    class Deleting(MemoryStore):
        """Deletes what was just read from the source when it is first looked for in the candidate."""

        deleted: Sequence[str] = ()

        def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
            self.deleted = self.deleted or keys
            for each in (SOURCE, harness.space):
                self.delete(each, self.deleted, harness.clock.at)
            return super().lookup(space, keys, timeout)

    store = Deleting(harness.clock)
    for space in (SOURCE, harness.space):
        store.ensure_space(space)
        for rows in harness.store.scan(space):
            store.write(space, rows)
    verdict = verify(store, SOURCE, harness.settings.space)
    left = 9 - len(store.deleted)
    assert (verdict.keys, verdict.held) == (left, left)


def test_an_empty_source_is_covered(harness: ReembedHarness) -> None:
    verdict = _verify(harness)
    assert verdict == Verdict(keys=0, held=0, failed=0, sampled=0)
    assert find_gate_failure(verdict, GATE) == ""


def test_an_invalid_vector_is_named_by_its_key(harness: ReembedHarness) -> None:
    harness.fill(20)
    harness.run()
    odd = {"short": b"\0" * 4, "nan": np.array([1, np.nan], "<f4").tobytes()}
    for space in (SOURCE, harness.space):
        harness.store.write(space, [Embedding(key, vector, 1) for key, vector in odd.items()])
    assert set(_verify(harness).faults) == {
        "short has 4 bytes instead of 8",
        "nan has an element that is not finite",
    }
    assert "not fit to be served" in find_gate_failure(_verify(harness), GATE)


def test_equal_vectors_of_all_keys_are_a_fault(harness: ReembedHarness) -> None:
    keys = harness.fill(20)
    harness.store.write(harness.space, [Embedding(key, np.array([1, 2], "<f4").tobytes(), 2) for key in keys])
    [fault] = _verify(harness).faults
    assert fault.startswith("all 20 sampled vectors are equal, among them that of key ")


def test_vectors_of_a_large_space_are_sampled_from_all_of_it(harness: ReembedHarness) -> None:
    limits = VerifyLimits(ranges=8, page_rows=10, max_sampled=16)
    harness.fill(400)
    harness.run()
    verdict = _verify(harness, limits)
    assert 80 <= verdict.keys < 160
    assert (verdict.held, verdict.sampled) == (verdict.keys, 16)
    first = next(harness.store.scan_range(harness.space, split_ring(8)[7])).rows[0]
    harness.store.write(harness.space, [Embedding(first.key, b"", harness.clock.at + 1)])
    assert _verify(harness, limits).faults == (f"{first.key} has 0 bytes instead of 8",)


def test_an_outage_is_waited_out_only_with_retries() -> None:
    clock = FakeClock()
    harness = ReembedHarness(MemoryStore(clock), clock)
    harness.encoder = FiniteEncoder()
    harness.fill(300)
    harness.run()
    flaky = MortalStore(harness.store, FlakyLife())
    assert verify(flaky, SOURCE, harness.settings.space, harness.outages().retry_until_up) == _verify(harness)
    with pytest.raises(UnavailableError):
        verify(flaky, SOURCE, harness.settings.space)


@given(st.dictionaries(st.text(min_size=1, max_size=5000), st.binary(max_size=16), max_size=20))
@settings(max_examples=50, deadline=None)
def test_faults_fit_into_a_termination_message(vectors: dict[str, bytes]) -> None:
    faults = find_faults(vectors, FORM)
    assert len(faults) <= MAX_FAULTS
    assert len(" ".join(faults).encode()) < 3000
    wrong = [key for key, vector in vectors.items() if len(vector) != FORM.nbytes]
    assert bool(faults) >= bool(wrong)


def test_some_equal_vectors_or_a_single_vector_are_not_a_fault() -> None:
    one, other = np.array([1, 2], "<f4").tobytes(), np.array([1, 3], "<f4").tobytes()
    assert find_faults({"a": one}, FORM) == ()
    assert find_faults({"a": one, "b": one, "c": other}, FORM) == ()
    assert len(find_faults({"a": one, "b": one}, FORM)) == 1
