"""The outcome of a key: written, skipped or negative, with one encode for any number of requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from embark.causes import Cause, CauseKind
from embark.clock import micros
from embark.settings import KfcSettings
from embark.store import Embedding, Negative
from embark_testing.kfc.harness import KfcHarness
from embark_testing.kfc.parts import NOT_FOUND, fake_vector, kfc_settings


@contextmanager
def running_harness(settings: KfcSettings) -> Iterator[KfcHarness]:
    bench = KfcHarness(settings)
    try:
        yield bench
    finally:
        bench.close()


def test_a_requested_key_gets_its_embedding(bench: KfcHarness) -> None:
    bench.start()
    bench.request(["a"])
    bench.until_done()
    assert bench.row("a") == Embedding("a", fake_vector("a"), bench.clock.at, b"hash", None)


def test_an_embedding_is_kept_for_the_ttl_of_the_store() -> None:
    with running_harness(kfc_settings(ttl="2h")) as bench:
        bench.start()
        bench.request(["a"])
        bench.until_done()
        row = bench.embedding("a")
        assert row is not None
        assert row.expires_at == bench.clock.at + micros(timedelta(hours=2))


def test_a_row_is_dated_by_the_start_of_its_encode(bench: KfcHarness) -> None:
    began = bench.clock.at
    entered, released = bench.encoder.hold("a")
    bench.start()
    bench.request(["a"])
    assert entered.wait(10)
    bench.clock.advance(timedelta(seconds=30))
    released.set()
    bench.until_done()
    row = bench.row("a")
    assert row is not None
    assert row.written_at == began


@pytest.mark.parametrize("stored", ["embedding", "negative"])
def test_keys_in_the_store_are_not_encoded(bench: KfcHarness, stored: str) -> None:
    at = bench.clock.at
    row = Embedding("a", b"12345678", at) if stored == "embedding" else Negative("a", NOT_FOUND, at, at + 1_000_000)
    bench.memory.write(bench.space, [row])
    bench.start()
    bench.request(["a", "b"], not_before=at)
    bench.until_done()
    assert bench.encoder.times == {"b": 1}
    assert bench.row("a") == row
    assert bench.metric("fills_total", outcome="skipped") == 1


def test_an_expired_negative_is_encoded_again(bench: KfcHarness) -> None:
    bench.memory.write(bench.space, [Negative("a", NOT_FOUND, bench.clock.at, bench.clock.at + 1_000_000)])
    bench.clock.advance(timedelta(seconds=1))
    bench.start()
    bench.request(["a"])
    bench.until_done()
    assert bench.embedding("a")


def test_an_invalidated_key_is_encoded_again_despite_its_row(bench: KfcHarness) -> None:
    bench.memory.write(bench.space, [Embedding("a", b"12345678", bench.clock.at)])
    bench.clock.advance(timedelta(seconds=1))
    bench.start()
    bench.request(["a"], not_before=bench.clock.at)
    bench.until_done()
    row = bench.embedding("a")
    assert row is not None
    assert row.vector == fake_vector("a")


def test_a_key_invalidated_by_a_host_whose_clock_is_ahead_is_still_filled(bench: KfcHarness) -> None:
    ahead = bench.clock.at + 500_000
    bench.memory.delete(bench.space, ["a"], ahead)
    bench.start()
    bench.request(["a"], not_before=ahead)
    bench.until_done()
    assert bench.embedding("a")
    assert bench.encoder.times["a"] == 1


def test_a_thousand_records_of_one_key_cause_one_encode(bench: KfcHarness) -> None:
    entered, released = bench.encoder.hold("a")
    bench.start()
    bench.request(["a"] * 500)
    assert entered.wait(10)
    bench.request(["a"] * 500)
    released.set()
    bench.until_done()
    assert bench.encoder.times == {"a": 1}
    assert len(bench.consumer.polled) == 1000


def test_a_key_invalidated_during_its_encode_is_encoded_again(bench: KfcHarness) -> None:
    entered, released = bench.encoder.hold("a")
    bench.start()
    bench.request(["a"])
    assert entered.wait(10)
    bench.clock.advance(timedelta(seconds=1))
    invalidated = bench.clock.at
    bench.memory.delete(bench.space, ["a"], invalidated)
    bench.request(["a"] * 3, not_before=invalidated)
    bench.until(lambda: len(bench.consumer.polled) == 4, "the later records are attached")
    bench.clock.advance(timedelta(seconds=1))
    released.set()
    bench.until_done()
    row = bench.embedding("a")
    assert row is not None
    assert row.written_at > invalidated
    assert bench.encoder.times == {"a": 2}


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (CauseKind.NOT_FOUND, timedelta(hours=24)),
        (CauseKind.UNDECODABLE, timedelta(hours=168)),
        (CauseKind.BLOCKED, timedelta(hours=168)),
        (CauseKind.INVALID_KEY, timedelta(hours=168)),
    ],
)
def test_a_permanent_cause_is_a_negative_at_once(bench: KfcHarness, kind: CauseKind, kept: timedelta) -> None:
    bench.encoder.causes["a"] = cause = Cause(kind, "why")
    bench.start()
    bench.request(["a", "b"])
    bench.until_done()
    assert bench.row("a") == Negative("a", cause, bench.clock.at, bench.clock.at + micros(kept))
    assert bench.embedding("b")
    assert bench.encoder.times == {"a": 1, "b": 1}
    assert bench.letters() == []


def test_keys_that_arrive_together_share_one_call() -> None:
    with running_harness(kfc_settings(max_inflight=1, encode_items=8)) as bench:
        entered, released = bench.encoder.hold("first")
        bench.start()
        bench.request(["first"])
        assert entered.wait(10)
        bench.request([f"key {i}" for i in range(20)])
        bench.until(lambda: len(bench.consumer.polled) == 21, "all are consumed")
        released.set()
        bench.until_done()
        assert [len(keys) for keys, _ in bench.encoder.calls] == [1, 8, 8, 4]
        assert bench.metric("batch_items_count") == 4


def test_the_trace_of_a_record_is_sent_to_the_encoder(bench: KfcHarness) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    bench.start()
    bench.request(["a"], traceparent=trace)
    bench.until_done()
    assert bench.encoder.calls == [(("a",), trace)]


def test_every_outcome_is_counted(bench: KfcHarness) -> None:
    bench.encoder.causes["missing"] = NOT_FOUND
    bench.start()
    bench.request(["a", "b", "missing"])
    bench.until_done()
    bench.request(["a"])
    bench.until_done()
    counts = {name: bench.metric("fills_total", outcome=name) for name in ("written", "negative", "skipped")}
    assert counts == {"written": 2, "negative": 1, "skipped": 1}
    assert bench.metric("encodes_total") == 3
    assert bench.metric("encode_seconds_count") >= 1
    assert bench.metric("write_seconds_count") >= 1
    assert bench.metric("inflight") == 0
    assert bench.metric("outstanding_records") == 0
