"""The consumer: its commits, its limits, its back-pressure and its thread."""

from collections.abc import Mapping
from datetime import timedelta

from embark_testing.kfc.harness import KfcHarness, probe
from embark_testing.kfc.parts import UNREACHABLE, kfc_settings
from kfc.fill.service import FillLimits


def test_offsets_are_committed_only_after_the_rows_before_them_are_written(harness: KfcHarness) -> None:
    premature: list[str] = []

    def check(offsets: Mapping[int, int]) -> None:
        before = [r.key.decode() for r in harness.consumer.polled if r.offset < offsets.get(r.partition, 0)]
        premature.extend(key for key in before if harness.row(key) is None)

    harness.consumer.before_commit = check
    keys = [f"key {i}" for i in range(300)]
    harness.encoder.causes.update(dict.fromkeys(keys[::7], UNREACHABLE))
    harness.start()
    harness.request(keys)
    harness.until_done()
    assert premature == []
    assert len(harness.letters()) == len(keys[::7])


def test_a_slow_key_delays_only_the_commits_of_its_partition() -> None:
    harness = KfcHarness(kfc_settings(encode_items=1))
    entered, released = harness.encoder.hold("slow")
    try:
        harness.start()
        harness.request(["slow"])
        assert entered.wait(10)
        keys = [f"key {i}" for i in range(40)]
        harness.request(keys)
        harness.until(lambda: all(harness.embedding(key) for key in keys), "the others are filled")
        (slow,) = [record for record in harness.consumer.polled if record.key == b"slow"]
        behind = sum(record.partition == slow.partition for record in harness.consumer.polled)
        harness.until(lambda: harness.lag() == behind, "the other partitions are committed")
        assert all(slow.partition not in offsets for offsets in harness.consumer.commits)
        assert behind > 1
        released.set()
        harness.until_done()
    finally:
        released.set()
        harness.close()


def test_calls_in_flight_stay_within_the_limit_of_the_cache() -> None:
    harness = KfcHarness(kfc_settings(max_inflight=3, encode_items=1))
    keys = [f"key {i}" for i in range(12)]
    holds = [harness.encoder.hold(key) for key in keys]
    try:
        harness.start()
        harness.request(keys)
        harness.until(lambda: sum(entered.is_set() for entered, _ in holds) == 3, "three are under way")
        harness.until(lambda: len(harness.consumer.polled) == 12, "all are consumed")
        assert harness.metric("inflight") == 3
        for _, released in holds:
            released.set()
        harness.until_done()
        assert harness.encoder.most_at_once == 3
    finally:
        for _, released in holds:
            released.set()
        harness.close()


def test_too_many_outstanding_records_pause_the_consumer_while_polls_continue() -> None:
    harness = KfcHarness(kfc_settings(max_inflight=1, encode_items=2), limits=FillLimits(min_outstanding=8))
    keys = [f"key {i}" for i in range(100)]
    holds = [harness.encoder.hold(key) for key in keys]
    try:
        harness.start()
        harness.request(keys)
        harness.until(lambda: harness.consumer.pauses == [True], "the consumer is paused")
        harness.until(lambda: harness.consumer.paused_polls >= 3, "polls continue")
        assert len(harness.consumer.polled) == 8
        assert harness.metric("outstanding_records") == 8
        for _, released in holds:
            released.set()
        harness.until_done()
        assert harness.consumer.pauses[-1] is False
        assert harness.encoder.times == dict.fromkeys(keys, 1)
    finally:
        for _, released in holds:
            released.set()
        harness.close()


def test_keys_that_wait_for_another_attempt_let_others_pass() -> None:
    settings = kfc_settings()
    hour = timedelta(hours=1)
    patient = settings.retry.model_copy(update={"initial_backoff": hour, "max_backoff": hour})
    harness = KfcHarness(settings.model_copy(update={"retry": patient}))
    waiting = [f"waiting {i}" for i in range(50)]
    harness.encoder.causes.update(dict.fromkeys(waiting, UNREACHABLE))
    try:
        harness.start()
        harness.request(waiting)
        harness.until(lambda: len(harness.encoder.times) == 50, "all had an attempt")
        harness.request(["a"])
        harness.until(lambda: harness.embedding("a"), "another key is filled")
        assert harness.encoder.times == {**dict.fromkeys(waiting, 1), "a": 1}
    finally:
        harness.close()


def test_only_one_thread_uses_the_consumer(harness: KfcHarness) -> None:
    harness.start()
    harness.request([f"key {i}" for i in range(50)])
    harness.until_done()
    assert len(harness.consumer.threads) == 1


def test_the_lag_is_a_metric(harness: KfcHarness) -> None:
    harness.encoder.down.set()
    kfc = harness.start()
    harness.request(["a", "b", "c"])
    harness.until(lambda: harness.metric("lag") == 3, "the lag is measured")
    assert "embark_kfc_lag 3.0" in probe(kfc, "/metrics")[1]
    harness.encoder.down.clear()
    harness.until(lambda: harness.metric("lag") == 0, "nothing is left")
