from datetime import timedelta
from typing import Any

import pytest

from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cli.caches import Place, read_cache
from embark_operator.cli.progress import Pace, Reading, pace_of, read_progress, remember
from embark_testing.worlds.rollout_commands import NOW, Commands

SCAN = ("b", 0)


def _cache(phase: str = "Reembedding", **rollout: Any) -> EmbeddingCache:
    commands = Commands()
    commands.roll_out(phase, **rollout)
    cache = read_cache(commands.caches, Place("default", "photos")).cache
    assert isinstance(cache.status, EmbeddingCacheStatus)
    return cache


def _at(seconds: float, over: int, scan: tuple[str, int] = SCAN) -> Reading:
    return Reading(NOW + timedelta(seconds=seconds), over, scan)


def _kept(*readings: Reading) -> tuple[Reading, ...]:
    kept: tuple[Reading, ...] = ()
    for reading in readings:
        kept = remember(kept, reading)
    return kept


def test_the_rate_is_between_two_readings_and_the_eta_is_the_rest_at_that_rate() -> None:
    cache = _cache(total=1000, done=180, failed=20, since="2026-01-01T00:00:00Z")
    assert pace_of(cache, _kept(_at(0, 100), _at(10, 200))) == Pace(10.0, 80.0)


def test_of_one_reading_the_rate_is_since_the_phase_began() -> None:
    cache = _cache(total=1000, done=200, since="2026-01-01T11:59:00Z")
    assert pace_of(cache, _kept(_at(0, 240))) == Pace(4.0, 190.0)


def test_a_further_attempt_has_no_rate_since_it_began_for_it_counts_what_was_done_before() -> None:
    cache = _cache(total=1000, done=200, since="2026-01-01T11:59:00Z", attempt=1, estimatedSeconds=77)
    assert pace_of(cache, _kept(_at(0, 240))) == Pace(None, 77.0)


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    assert pace_of(_cache(total=1000), _kept(_at(0, 0))) == Pace(None, None)
    assert pace_of(_cache(total=1000, since="2026-01-01T13:00:00Z"), _kept(_at(0, 240))) == Pace(None, None)


def test_a_scan_that_stands_still_has_the_rate_0_once_it_did_so_for_long() -> None:
    cache = _cache(total=1000)
    assert pace_of(cache, _kept(_at(0, 100), _at(10, 100))).rate is None
    stuck = pace_of(cache, _kept(_at(0, 100), _at(10, 100), _at(31, 100)))
    assert stuck == Pace(0.0, None)


def test_the_rate_is_of_the_last_half_minute_and_not_of_the_whole_scan() -> None:
    readings = _kept(*(_at(second, 10 * second) for second in range(0, 200, 5)), _at(200, 1985), _at(230, 2285))
    assert readings[0].at >= NOW + timedelta(seconds=195)
    assert pace_of(_cache(total=2285), readings).rate == 10.0


@pytest.mark.parametrize("second", [_at(5, 20), _at(5, 120, ("b", 1)), _at(5, 120, ("c", 0))])
def test_a_scan_that_began_anew_is_no_continuation(second: Reading) -> None:
    assert _kept(_at(0, 100), second) == (second,)


def test_only_a_re_embedding_that_runs_has_a_progress() -> None:
    assert read_progress(_cache("Verifying", total=5), NOW) is None
    assert read_progress(_cache(total=5, done=2, failed=1), NOW) == Reading(NOW, 3, (_candidate(), 0))
    assert remember(_kept(_at(0, 1)), None) == ()
    assert pace_of(_cache(total=5), ()) == Pace()


def _candidate() -> str:
    candidate = _cache().status.spaces.candidate
    assert candidate is not None
    return candidate.id
