"""The consumer: its commits, its limits, its back-pressure and its thread."""

from collections.abc import Mapping
from datetime import timedelta

from embark_testing.kfc.harness import KfcHarness, probe
from embark_testing.kfc.parts import UNREACHABLE, kfc_settings
from kfc.fill.service import FillLimits


def test_offsets_are_committed_only_after_the_rows_before_them_are_written(bench: KfcHarness) -> None:
    premature: list[str] = []

    def check(offsets: Mapping[int, int]) -> None:
        before = [r.key.decode() for r in bench.consumer.polled if r.offset < offsets.get(r.partition, 0)]
        premature.extend(key for key in before if bench.row(key) is None)

    bench.consumer.before_commit = check
    keys = [f"key {i}" for i in range(300)]
    bench.encoder.causes.update(dict.fromkeys(keys[::7], UNREACHABLE))
    bench.start()
    bench.request(keys)
    bench.until_done()
    assert premature == []
    assert len(bench.letters()) == len(keys[::7])


def test_a_slow_key_delays_only_the_commits_of_its_partition() -> None:
    bench = KfcHarness(kfc_settings(encode_items=1))
    entered, released = bench.encoder.hold("slow")
    try:
        bench.start()
        bench.request(["slow"])
        assert entered.wait(10)
        keys = [f"key {i}" for i in range(40)]
        bench.request(keys)
        bench.until(lambda: all(bench.embedding(key) for key in keys), "the others are filled")
        (slow,) = [record for record in bench.consumer.polled if record.key == b"slow"]
        behind = sum(record.partition == slow.partition for record in bench.consumer.polled)
        bench.until(lambda: bench.lag() == behind, "the other partitions are committed")
        assert all(slow.partition not in offsets for offsets in bench.consumer.commits)
        assert behind > 1
        released.set()
        bench.until_done()
    finally:
        released.set()
        bench.close()


def test_calls_in_flight_stay_within_the_limit_of_the_cache() -> None:
    bench = KfcHarness(kfc_settings(max_inflight=3, encode_items=1))
    keys = [f"key {i}" for i in range(12)]
    holds = [bench.encoder.hold(key) for key in keys]
    try:
        bench.start()
        bench.request(keys)
        bench.until(lambda: sum(entered.is_set() for entered, _ in holds) == 3, "three are under way")
        bench.until(lambda: len(bench.consumer.polled) == 12, "all are consumed")
        assert bench.metric("inflight") == 3
        for _, released in holds:
            released.set()
        bench.until_done()
        assert bench.encoder.most_at_once == 3
    finally:
        for _, released in holds:
            released.set()
        bench.close()


def test_too_many_outstanding_records_pause_the_consumer_while_polls_continue() -> None:
    bench = KfcHarness(kfc_settings(max_inflight=1, encode_items=2), limits=FillLimits(min_outstanding=8))
    keys = [f"key {i}" for i in range(100)]
    holds = [bench.encoder.hold(key) for key in keys]
    try:
        bench.start()
        bench.request(keys)
        bench.until(lambda: bench.consumer.pauses == [True], "the consumer is paused")
        bench.until(lambda: bench.consumer.paused_polls >= 3, "polls continue")
        assert len(bench.consumer.polled) == 8
        assert bench.metric("outstanding_records") == 8
        for _, released in holds:
            released.set()
        bench.until_done()
        assert bench.consumer.pauses[-1] is False
        assert bench.encoder.times == dict.fromkeys(keys, 1)
    finally:
        for _, released in holds:
            released.set()
        bench.close()


def test_keys_that_wait_for_another_attempt_let_others_pass() -> None:
    settings = kfc_settings()
    hour = timedelta(hours=1)
    patient = settings.retry.model_copy(update={"initial_backoff": hour, "max_backoff": hour})
    bench = KfcHarness(settings.model_copy(update={"retry": patient}))
    waiting = [f"waiting {i}" for i in range(50)]
    bench.encoder.causes.update(dict.fromkeys(waiting, UNREACHABLE))
    try:
        bench.start()
        bench.request(waiting)
        bench.until(lambda: len(bench.encoder.times) == 50, "all had an attempt")
        bench.request(["a"])
        bench.until(lambda: bench.embedding("a"), "another key is filled")
        assert bench.encoder.times == {**dict.fromkeys(waiting, 1), "a": 1}
    finally:
        bench.close()


def test_only_one_thread_uses_the_consumer(bench: KfcHarness) -> None:
    bench.start()
    bench.request([f"key {i}" for i in range(50)])
    bench.until_done()
    assert len(bench.consumer.threads) == 1


def test_the_lag_is_a_metric(bench: KfcHarness) -> None:
    bench.encoder.down.set()
    kfc = bench.start()
    bench.request(["a", "b", "c"])
    bench.until(lambda: bench.metric("lag") == 3, "the lag is measured")
    assert "embark_kfc_lag 3.0" in probe(kfc, "/metrics")[1]
    bench.encoder.down.clear()
    bench.until(lambda: bench.metric("lag") == 0, "nothing is left")
