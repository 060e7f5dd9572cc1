"""Times and statuses are counted by EmbArk itself and read as the library's own metrics do."""

import pytest
from prometheus_client import CollectorRegistry, Histogram

from embark_server.answered import Answered
from embark_server.statuses import KeyStatus
from embark_server.times import SECONDS, Times

SAMPLES = [0.0, *SECONDS, 0.003, 0.003, 11.0, 1e6]


def test_times_are_shown_as_a_histogram_of_the_library_shows_them() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    times = Times("t_seconds", "Time.")
    ours.register(times)
    histogram = Histogram("t_seconds", "Time.", registry=theirs, buckets=SECONDS)
    for seconds in SAMPLES:
        times.count(seconds)
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
        bytes([KeyStatus.HIT, *KeyStatus]),
    ],
)
def test_every_key_is_counted_by_its_status_whether_or_not_all_have_one(statuses: bytes) -> None:
    registry, answered = CollectorRegistry(), Answered(["Lookup"], ["active"])
    registry.register(answered)
    answered.count_statuses("Lookup", "active", statuses)
    answered.count_statuses("Lookup", "active", statuses)
    for status in KeyStatus:
        labels = {"method": "Lookup", "space": "active", "status": status.name}
        assert registry.get_sample_value("embark_keys_total", labels) == 2 * statuses.count(status)
