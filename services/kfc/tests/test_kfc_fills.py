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
    harness = KfcHarness(settings)
    try:
        yield harness
    finally:
        harness.close()


def test_a_requested_key_gets_its_embedding(harness: KfcHarness) -> None:
    harness.start()
    harness.request(["a"])
    harness.until_done()
    assert harness.row("a") == Embedding("a", fake_vector("a"), harness.clock.at, b"hash", None)


def test_an_embedding_is_kept_for_the_ttl_of_the_store() -> None:
    with running_harness(kfc_settings(ttl="2h")) as harness:
        harness.start()
        harness.request(["a"])
        harness.until_done()
        row = harness.embedding("a")
        assert row is not None
        assert row.expires_at == harness.clock.at + micros(timedelta(hours=2))


def test_a_row_is_dated_by_the_start_of_its_encode(harness: KfcHarness) -> None:
    began = harness.clock.at
    entered, released = harness.encoder.hold("a")
    harness.start()
    harness.request(["a"])
    assert entered.wait(10)
    harness.clock.advance(timedelta(seconds=30))
    released.set()
    harness.until_done()
    row = harness.row("a")
    assert row is not None
    assert row.written_at == began


@pytest.mark.parametrize("stored", ["embedding", "negative"])
def test_keys_in_the_store_are_not_encoded(harness: KfcHarness, stored: str) -> None:
    at = harness.clock.at
    row = Embedding("a", b"12345678", at) if stored == "embedding" else Negative("a", NOT_FOUND, at, at + 1_000_000)
    harness.memory.write(harness.space, [row])
    harness.start()
    harness.request(["a", "b"], not_before=at)
    harness.until_done()
    assert harness.encoder.times == {"b": 1}
    assert harness.row("a") == row
    assert harness.metric("fills_total", outcome="skipped") == 1


def test_an_expired_negative_is_encoded_again(harness: KfcHarness) -> None:
    harness.memory.write(harness.space, [Negative("a", NOT_FOUND, harness.clock.at, harness.clock.at + 1_000_000)])
    harness.clock.advance(timedelta(seconds=1))
    harness.start()
    harness.request(["a"])
    harness.until_done()
    assert harness.embedding("a")


def test_an_invalidated_key_is_encoded_again_despite_its_row(harness: KfcHarness) -> None:
    harness.memory.write(harness.space, [Embedding("a", b"12345678", harness.clock.at)])
    harness.clock.advance(timedelta(seconds=1))
    harness.start()
    harness.request(["a"], not_before=harness.clock.at)
    harness.until_done()
    row = harness.embedding("a")
    assert row is not None
    assert row.vector == fake_vector("a")


def test_a_key_invalidated_by_a_host_whose_clock_is_ahead_is_still_filled(harness: KfcHarness) -> None:
    ahead = harness.clock.at + 500_000
    harness.memory.delete(harness.space, ["a"], ahead)
    harness.start()
    harness.request(["a"], not_before=ahead)
    harness.until_done()
    assert harness.embedding("a")
    assert harness.encoder.times["a"] == 1


def test_a_thousand_records_of_one_key_cause_one_encode(harness: KfcHarness) -> None:
    entered, released = harness.encoder.hold("a")
    harness.start()
    harness.request(["a"] * 500)
    assert entered.wait(10)
    harness.request(["a"] * 500)
    released.set()
    harness.until_done()
    assert harness.encoder.times == {"a": 1}
    assert len(harness.consumer.polled) == 1000


def test_a_key_invalidated_during_its_encode_is_encoded_again(harness: KfcHarness) -> None:
    entered, released = harness.encoder.hold("a")
    harness.start()
    harness.request(["a"])
    assert entered.wait(10)
    harness.clock.advance(timedelta(seconds=1))
    invalidated = harness.clock.at
    harness.memory.delete(harness.space, ["a"], invalidated)
    harness.request(["a"] * 3, not_before=invalidated)
    harness.until(lambda: len(harness.consumer.polled) == 4, "the later records are attached")
    harness.clock.advance(timedelta(seconds=1))
    released.set()
    harness.until_done()
    row = harness.embedding("a")
    assert row is not None
    assert row.written_at > invalidated
    assert harness.encoder.times == {"a": 2}


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (CauseKind.NOT_FOUND, timedelta(hours=24)),
        (CauseKind.UNDECODABLE, timedelta(hours=168)),
        (CauseKind.BLOCKED, timedelta(hours=168)),
        (CauseKind.INVALID_KEY, timedelta(hours=168)),
    ],
)
def test_a_permanent_cause_is_a_negative_at_once(harness: KfcHarness, kind: CauseKind, kept: timedelta) -> None:
    harness.encoder.causes["a"] = cause = Cause(kind, "why")
    harness.start()
    harness.request(["a", "b"])
    harness.until_done()
    assert harness.row("a") == Negative("a", cause, harness.clock.at, harness.clock.at + micros(kept))
    assert harness.embedding("b")
    assert harness.encoder.times == {"a": 1, "b": 1}
    assert harness.letters() == []


def test_keys_that_arrive_together_share_one_call() -> None:
    with running_harness(kfc_settings(max_inflight=1, encode_items=8)) as harness:
        entered, released = harness.encoder.hold("first")
        harness.start()
        harness.request(["first"])
        assert entered.wait(10)
        harness.request([f"key {i}" for i in range(20)])
        harness.until(lambda: len(harness.consumer.polled) == 21, "all are consumed")
        released.set()
        harness.until_done()
        assert [len(keys) for keys, _ in harness.encoder.calls] == [1, 8, 8, 4]
        assert harness.metric("batch_items_count") == 4


def test_the_trace_of_a_record_is_sent_to_the_encoder(harness: KfcHarness) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    harness.start()
    harness.request(["a"], traceparent=trace)
    harness.until_done()
    assert harness.encoder.calls == [(("a",), trace)]


def test_every_outcome_is_counted(harness: KfcHarness) -> None:
    harness.encoder.causes["missing"] = NOT_FOUND
    harness.start()
    harness.request(["a", "b", "missing"])
    harness.until_done()
    harness.request(["a"])
    harness.until_done()
    counts = {name: harness.metric("fills_total", outcome=name) for name in ("written", "negative", "skipped")}
    assert counts == {"written": 2, "negative": 1, "skipped": 1}
    assert harness.metric("encodes_total") == 3
    assert harness.metric("encode_seconds_count") >= 1
    assert harness.metric("write_seconds_count") >= 1
    assert harness.metric("inflight") == 0
    assert harness.metric("outstanding_records") == 0
