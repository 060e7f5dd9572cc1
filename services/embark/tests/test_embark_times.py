"""Times and statuses are counted by EmbArk itself and read as the library's own metrics do."""

from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, Histogram

from embark.statuses import KeyStatus
from embark_server.metrics import BUCKETS, FINE_BUCKETS, LatencyHistogram, LookupCounters

SAMPLES = [0.0, *BUCKETS, *FINE_BUCKETS, 0.003, 0.003, 11.0, 1e6]


def test_times_are_shown_as_a_histogram_of_the_library_shows_them() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    times = LatencyHistogram("t_seconds", "Time.")
    ours.register(times)
    histogram = Histogram("t_seconds", "Time.", registry=theirs, buckets=BUCKETS)
    for seconds in SAMPLES:
        times.observe(seconds)
        histogram.observe(seconds)
    (shown,), (expected,) = ours.collect(), theirs.collect()
    assert (shown.name, shown.type, shown.documentation) == (expected.name, expected.type, expected.documentation)
    assert shown.samples == [sample for sample in expected.samples if not sample.name.endswith("_created")]


@pytest.mark.parametrize(
    "statuses",
    [
        b"",
        bytes([KeyStatus.HIT]),
        bytes([KeyStatus.OOV_PENDING] * 32),
        bytes([KeyStatus.HIT, *KeyStatus.known()]),
    ],
)
def test_every_key_is_counted_by_its_status_whether_or_not_all_have_one(statuses: bytes) -> None:
    registry, answered = CollectorRegistry(), LookupCounters(["Lookup"], ["active"])
    registry.register(answered)
    answered.count_statuses("Lookup", "active", statuses)
    answered.count_statuses("Lookup", "active", statuses)
    for status in KeyStatus.known():
        labels = {"method": "Lookup", "space": "active", "status": status.name}
        assert registry.get_sample_value("embark_keys_total", labels) == 2 * statuses.count(status)


def test_look_ups_are_told_by_finer_times_and_shown_as_the_library_shows_them() -> None:
    registry, theirs = CollectorRegistry(), CollectorRegistry()
    answered = LookupCounters(["Lookup"], ["active"])
    registry.register(answered)
    histogram = Histogram("embark_lookup_seconds", "T.", registry=theirs, buckets=BUCKETS)
    for seconds in SAMPLES:
        answered.count_hits("active", 1, seconds)
        answered.count_seconds(seconds)
        histogram.observe(seconds)
        histogram.observe(seconds)
    for bound in [*map(str, map(float, BUCKETS)), "+Inf"]:
        labels = ("embark_lookup_seconds_bucket", {"le": bound})
        assert registry.get_sample_value(*labels) == theirs.get_sample_value(*labels)
    told = answered.lookup_times()
    assert told.seconds == FINE_BUCKETS
    for at, bound in enumerate(FINE_BUCKETS):
        below = FINE_BUCKETS[at - 1] if at else -1.0
        assert told.counts[at] == 2 * sum(below < seconds <= bound for seconds in SAMPLES)
    assert told.counts[-1] == 2 * sum(seconds > FINE_BUCKETS[-1] for seconds in SAMPLES)


def test_the_finer_times_are_a_twelfth_apart_and_have_all_the_others_among_them() -> None:
    assert set(BUCKETS) <= set(FINE_BUCKETS)
    assert list(FINE_BUCKETS) == sorted(set(FINE_BUCKETS))
    assert all(high / low < 1.125 for low, high in pairwise(FINE_BUCKETS))
