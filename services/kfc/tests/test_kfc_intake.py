"""The state that the threads of KFC share: completing costs the same for any number of keys and partitions."""

import pytest
from prometheus_client import CollectorRegistry

from embark.retries import Backoff
from embark.topic import Fill, Record
from kfc.fill.filler import Filled
from kfc.fill.in_flight import InFlightKeys
from kfc.fill.intake import Intake, IntakeLimits
from kfc.fill.watermarks import Watermarks
from kfc.metrics import FillOutcome, KfcMetrics


def test_outstanding_records_are_summed_over_the_partitions_once_per_completion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summed: list[int] = []

    class Counted(Watermarks):
        @property
        def outstanding(self) -> int:
            summed.append(super().outstanding)
            return summed[-1]

    monkeypatch.setattr("kfc.fill.intake.Watermarks", Counted)
    registry = CollectorRegistry()
    in_flight = InFlightKeys(3, Backoff(1.0, 60.0, lambda: 1.0))
    intake = Intake(in_flight, IntakeLimits(1000), metrics=KfcMetrics(registry), space="s", timer=lambda: 0.0)
    records = [Record("t", n % 12, n, b"%d" % n, Fill(b"%d" % n, 0).to_bytes()) for n in range(48)]
    intake.offer(records)
    tasks = intake.take(32)
    intake.complete([Filled(task.key, 1, FillOutcome.WRITTEN) for task in tasks])
    assert summed == [48, 16]
    assert registry.get_sample_value("embark_kfc_outstanding_records") == 16
