import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from embark.rollout.verdict import MAX_FAULTS, Verdict, find_gate_failure
from embark.spec.rollout import Rollout

GATES = Rollout.model_validate({"minCoverage": "0.9", "maxFailureRatio": "0.1"})
COUNTS = st.integers(0, 10**9)


def verdict(keys: int = 100, held: int = 100, failed: int = 0, **named: tuple[str, ...]) -> Verdict:
    return Verdict.model_validate({"keys": keys, "held": held, "failed": failed, "sampled": held - failed} | named)


@pytest.mark.parametrize(
    "passed",
    [verdict(), verdict(held=90), verdict(failed=10), verdict(held=90, failed=10), verdict(keys=0, held=0)],
    ids=["whole", "coverage just enough", "failures just few enough", "both", "no key"],
)
def test_a_candidate_within_the_gates_may_be_served(passed: Verdict) -> None:
    assert find_gate_failure(passed, GATES) == ""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (verdict(held=89), ("89 of 100 keys", "spec.rollout.minCoverage is 0.9")),
        (verdict(failed=11), ("11 of 100 keys", "11.00%", "spec.rollout.maxFailureRatio is 0.1")),
        (verdict(failed=11, lost=("key a: not found", "key b: torn")), ("11 of 100", "key a: not found; key b: torn")),
        (verdict(faults=("key a: not finite", "key b: all alike")), ("key a: not finite; key b: all alike",)),
        (verdict(keys=1, held=0), ("0 of 1 keys", "spec.rollout.minCoverage")),
    ],
    ids=["coverage", "failures", "failures by name", "vectors", "empty"],
)
def test_a_candidate_beyond_a_gate_is_refused_by_the_name_of_its_field(fault: Verdict, words: tuple[str, ...]) -> None:
    message = find_gate_failure(fault, GATES)
    assert all(word in message for word in words)


def test_the_message_of_a_gate_names_two_of_the_lost_keys_at_most() -> None:
    message = find_gate_failure(verdict(failed=11, lost=tuple(f"key {number}" for number in range(5))), GATES)
    assert [number for number in range(5) if f"key {number}" in message] == [0, 1]


def test_no_gate_admits_vectors_that_are_not_fit() -> None:
    open_gates = Rollout.model_validate({"minCoverage": "0", "maxFailureRatio": "1"})
    assert find_gate_failure(verdict(held=0, failed=0), open_gates) == ""
    assert "key a" in find_gate_failure(verdict(faults=("key a: not finite",)), open_gates)


@given(COUNTS, COUNTS, COUNTS)
def test_a_gate_is_passed_exactly_when_both_shares_are_within_it(keys: int, held: int, failed: int) -> None:
    held, failed = min(held, keys), min(failed, held, keys)
    within = not keys or (held / keys >= GATES.min_coverage and failed / keys <= GATES.max_failure_ratio)
    assert (find_gate_failure(verdict(keys, held, failed), GATES) == "") is within


@given(COUNTS, COUNTS, COUNTS, st.lists(st.text(), max_size=MAX_FAULTS))
def test_a_verdict_is_read_as_it_was_written(keys: int, held: int, failed: int, faults: list[str]) -> None:
    written = Verdict(keys=keys, held=held, failed=failed, sampled=held, faults=tuple(faults))
    assert Verdict.model_validate_json(written.model_dump_json(by_alias=True)) == written


@pytest.mark.parametrize("text", ["", "{}", "null", '{"keys":1,"held":-1,"failed":0,"sampled":0}', "Killed"])
def test_other_text_is_not_read_as_a_verdict(text: str) -> None:
    with pytest.raises(ValidationError):
        Verdict.model_validate_json(text)
