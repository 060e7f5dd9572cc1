"""The metrics of KFC: outcomes, causes, retries, dead letters, the lag and the sizes of its calls."""

from embark.causes import CauseKind
from embark_testing.kfc.harness import KfcHarness, probe
from embark_testing.kfc.parts import ENCODER_FAILED, NOT_FOUND, UNREACHABLE, kfc_settings


def test_every_cause_is_counted_for_encodes_and_for_dead_letters() -> None:
    harness = KfcHarness(kfc_settings(max_attempts=2))
    harness.encoder.causes |= {"missing": NOT_FOUND, "away": UNREACHABLE, "nan": ENCODER_FAILED}
    try:
        harness.start()
        harness.request(["fine", "missing", "away", "nan"])
        assert harness.producer.produce(b"key", b"\xff\xff", {})
        harness.until_done()
        causes = {kind: harness.metric("causes_total", cause=kind.value) for kind in CauseKind}
        letters = {kind: harness.metric("dead_letters_total", cause=kind.value) for kind in CauseKind}
    finally:
        harness.close()
    assert {kind.value: count for kind, count in causes.items() if count} == {
        "not_found": 1,
        "unreachable": 2,
        "encoder_failed": 2,
    }
    assert {kind.value: count for kind, count in letters.items() if count} == {
        "unreachable": 1,
        "encoder_failed": 1,
        "unreadable": 1,
    }
    assert harness.metric("encodes_total") == 6


def test_the_metrics_exist_before_the_first_record() -> None:
    harness = KfcHarness()
    try:
        text = probe(harness.start(), "/metrics")[1]
    finally:
        harness.close()
    for line in (
        'embark_kfc_fills_total{outcome="skipped"} 0.0',
        'embark_kfc_fills_total{outcome="dead-lettered"} 0.0',
        'embark_kfc_causes_total{cause="unreachable"} 0.0',
        'embark_kfc_dead_letters_total{cause="unreadable"} 0.0',
        'embark_kfc_retries_total{reason="unreachable"} 0.0',
        "embark_kfc_batch_items_count 0.0",
        "embark_kfc_lag 0.0",
    ):
        assert line in text
