from datetime import timedelta
from typing import Any

import pytest

from embark.cli.rollout.progress import ProgressSample, ReembeddingRate, add_sample, estimate_rate, take_sample
from embark.resources import read_cache
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_testing.worlds.rollout_commands import NOW, PHOTOS, Commands

SCAN = ("b", 0)


def _cache(phase: str = "Reembedding", **rollout: Any) -> EmbeddingCache:
    commands = Commands()
    commands.roll_out(phase, **rollout)
    cache = read_cache(commands.caches, PHOTOS).cache
    assert isinstance(cache.status, EmbeddingCacheStatus)
    return cache


def _at(seconds: float, processed: int, scan: tuple[str, int] = SCAN) -> ProgressSample:
    return ProgressSample(NOW + timedelta(seconds=seconds), processed, scan)


def _samples(*taken: ProgressSample) -> tuple[ProgressSample, ...]:
    samples: tuple[ProgressSample, ...] = ()
    for sample in taken:
        samples = add_sample(samples, sample)
    return samples


def test_the_rate_is_between_two_samples_and_the_eta_is_the_rest_at_that_rate() -> None:
    cache = _cache(total=1000, done=180, failed=20, since="2026-01-01T00:00:00Z")
    assert estimate_rate(cache, _samples(_at(0, 100), _at(10, 200))) == ReembeddingRate(10.0, 80.0)


def test_the_rate_of_a_single_sample_is_since_the_phase_began() -> None:
    cache = _cache(total=1000, done=200, since="2026-01-01T11:59:00Z")
    assert estimate_rate(cache, _samples(_at(0, 240))) == ReembeddingRate(4.0, 190.0)


def test_a_later_attempt_has_no_rate_since_it_began_because_it_counts_earlier_keys() -> None:
    cache = _cache(total=1000, done=200, since="2026-01-01T11:59:00Z", attempt=1, estimatedSeconds=77)
    assert estimate_rate(cache, _samples(_at(0, 240))) == ReembeddingRate(None, 77.0)


def test_an_unknown_rate_is_never_guessed() -> None:
    assert estimate_rate(_cache(total=1000), _samples(_at(0, 0))) == ReembeddingRate(None, None)
    assert estimate_rate(_cache(total=1000, since="2026-01-01T13:00:00Z"), _samples(_at(0, 240))) == ReembeddingRate(
        None, None
    )


def test_a_stuck_scan_has_the_rate_0_after_the_window() -> None:
    cache = _cache(total=1000)
    assert estimate_rate(cache, _samples(_at(0, 100), _at(10, 100))).keys_per_second is None
    stuck = estimate_rate(cache, _samples(_at(0, 100), _at(10, 100), _at(31, 100)))
    assert stuck == ReembeddingRate(0.0, None)


def test_the_rate_is_of_the_last_half_minute_and_not_of_the_whole_scan() -> None:
    samples = _samples(*(_at(second, 10 * second) for second in range(0, 200, 5)), _at(200, 1985), _at(230, 2285))
    assert samples[0].at >= NOW + timedelta(seconds=195)
    assert estimate_rate(_cache(total=2285), samples).keys_per_second == 10.0


@pytest.mark.parametrize("second", [_at(5, 20), _at(5, 120, ("b", 1)), _at(5, 120, ("c", 0))])
def test_a_restarted_scan_does_not_continue_the_samples(second: ProgressSample) -> None:
    assert _samples(_at(0, 100), second) == (second,)


def test_only_a_running_re_embedding_has_progress() -> None:
    assert take_sample(_cache("Verifying", total=5), NOW) is None
    assert take_sample(_cache(total=5, done=2, failed=1), NOW) == ProgressSample(NOW, 3, (_candidate(), 0))
    assert add_sample(_samples(_at(0, 1)), None) == ()
    assert estimate_rate(_cache(total=5), ()) == ReembeddingRate()


def _candidate() -> str:
    candidate = _cache().status.spaces.candidate
    assert candidate is not None
    return candidate.id
