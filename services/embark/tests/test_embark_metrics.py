"""The collectors of latencies and statuses expose what the metrics of prometheus_client would."""

from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, Histogram

from embark.statuses import KeyStatus
from embark_server.metrics import BUCKETS, FINE_BUCKETS, LatencyHistogram, LookupCounters

SAMPLES = [0.0, *BUCKETS, *FINE_BUCKETS, 0.003, 0.003, 11.0, 1e6]


def test_a_latency_histogram_is_exposed_as_the_histogram_of_the_library() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    times = LatencyHistogram("t_seconds", "Time.")
    ours.register(times)
    histogram = Histogram("t_seconds", "Time.", registry=theirs, buckets=BUCKETS)
    for seconds in SAMPLES:
        times.observe(seconds)
        histogram.observe(seconds)
    (exposed,), (expected,) = ours.collect(), theirs.collect()
    assert (exposed.name, exposed.type, exposed.documentation) == (expected.name, expected.type, expected.documentation)
    assert exposed.samples == [sample for sample in expected.samples if not sample.name.endswith("_created")]


@pytest.mark.parametrize(
    "statuses",
    [
        b"",
        bytes([KeyStatus.HIT]),
        bytes([KeyStatus.OOV_PENDING] * 32),
        bytes([KeyStatus.HIT, *KeyStatus.known()]),
    ],
)
def test_keys_are_counted_by_status_whether_or_not_all_share_one(statuses: bytes) -> None:
    registry, answered = CollectorRegistry(), LookupCounters(["Lookup"], ["active"])
    registry.register(answered)
    answered.count_statuses("Lookup", "active", statuses)
    answered.count_statuses("Lookup", "active", statuses)
    for status in KeyStatus.known():
        labels = {"method": "Lookup", "space": "active", "status": status.name}
        assert registry.get_sample_value("embark_keys_total", labels) == 2 * statuses.count(status)


def test_lookups_are_counted_in_fine_buckets_and_exposed_in_those_of_the_library() -> None:
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
    latencies = answered.lookup_times()
    assert latencies.seconds == FINE_BUCKETS
    for at, bound in enumerate(FINE_BUCKETS):
        below = FINE_BUCKETS[at - 1] if at else -1.0
        assert latencies.counts[at] == 2 * sum(below < seconds <= bound for seconds in SAMPLES)
    assert latencies.counts[-1] == 2 * sum(seconds > FINE_BUCKETS[-1] for seconds in SAMPLES)


def test_fine_buckets_are_a_twelfth_apart_and_include_the_others() -> None:
    assert set(BUCKETS) <= set(FINE_BUCKETS)
    assert list(FINE_BUCKETS) == sorted(set(FINE_BUCKETS))
    assert all(high / low < 1.125 for low, high in pairwise(FINE_BUCKETS))
