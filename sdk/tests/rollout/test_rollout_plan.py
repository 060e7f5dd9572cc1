import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.rollout.advance import advance
from embark.rollout.plan import expected_seconds
from embark.rollout.state import RolloutPhase
from embark.rollout.step import ObservedRollout
from embark.spec import EmbeddingCacheSpec
from embark_testing.worlds.rollout_parts import BEGIN, encoder, filling, wanting


def spec(limit: int = 0, parallelism: int = 2, max_inflight: int = 4) -> EmbeddingCacheSpec:
    declared = wanting("b", maxKeysPerSecond=limit, parallelism=parallelism).spec
    return declared.model_copy(update={"kfc": declared.kfc.model_copy(update={"max_inflight": max_inflight})})


def test_the_time_is_that_of_all_encode_calls_at_a_time() -> None:
    assert expected_seconds(spec(parallelism=2, max_inflight=4), 8000, 0.05) == 50
    assert expected_seconds(spec(parallelism=1, max_inflight=4), 8000, 0.05) == 100
    assert expected_seconds(spec(parallelism=1, max_inflight=1), 8000, 0.05) == 400


def test_no_time_is_made_up_where_nothing_was_measured() -> None:
    assert expected_seconds(spec(), 8000, None) == 0


@pytest.mark.parametrize("measured", [None, 0.0, 0.001])
def test_the_rate_limit_bounds_the_time_from_below(measured: float | None) -> None:
    assert expected_seconds(spec(limit=100), 8000, measured) == 80


def test_a_limit_beyond_what_retina_does_changes_nothing() -> None:
    assert expected_seconds(spec(limit=1_000_000), 8000, 0.05) == expected_seconds(spec(), 8000, 0.05)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.none() | st.floats(0, 60), st.integers(0, 10**6))
def test_more_keys_never_take_less_time(some: int, more: int, measured: float | None, limit: int) -> None:
    declared = spec(limit)
    assert 0 <= expected_seconds(declared, some, measured) <= expected_seconds(declared, some + more, measured)


@pytest.mark.parametrize("phase", [RolloutPhase.AWAITING_APPROVAL, RolloutPhase.PREPARING])
def test_a_plan_is_of_the_keys_as_they_are_now(phase: RolloutPhase) -> None:
    seen = ObservedRollout(entries=8000, encode_seconds=0.05)
    status = advance(filling(phase, total=7), wanting("b", approval="Manual"), seen, BEGIN).status
    assert (status.total, status.estimated_seconds) == (8000, 50)
    unanswered = advance(filling(phase, total=7), wanting("b", approval="Manual"), ObservedRollout(), BEGIN).status
    assert (unanswered.total, unanswered.estimated_seconds) == (7, 0)


def test_encoders_of_other_models_are_not_the_same() -> None:
    assert encoder("a") != encoder("b")
