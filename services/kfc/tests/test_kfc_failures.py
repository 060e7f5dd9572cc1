"""Attempts, dead letters and outages."""

import pytest

from embark.causes import CauseKind
from embark.rpc.wire import cause_from_wire
from embark.store import Negative
from embark.topic import Fill
from embark_testing.kfc.harness import FailingDeadLetters, KfcHarness, probe
from embark_testing.kfc.parts import ENCODER_FAILED, UNREACHABLE


def test_a_key_that_stays_unreachable_becomes_a_dead_letter_and_a_negative(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = UNREACHABLE
    harness.start()
    harness.request(["a", "b"])
    harness.until_done()
    (letter,) = harness.letters()
    (record,) = [record for record in harness.consumer.polled if record.key == b"a"]
    assert (cause_from_wire(letter.cause), letter.attempts) == (UNREACHABLE, 5)
    assert (letter.record_key, letter.record_value) == (record.key, record.value)
    assert (letter.topic, letter.partition, letter.offset) == (record.topic, record.partition, record.offset)
    assert letter.failed_at.ToMicroseconds() == harness.clock.at
    assert harness.row("a") == Negative("a", UNREACHABLE, harness.clock.at, harness.clock.at + 300_000_000)
    assert harness.embedding("b")
    assert harness.encoder.times == {"a": 5, "b": 1}
    assert harness.metric("retries_total", reason="unreachable") == 4
    assert harness.metric("fills_total", outcome="dead-lettered") == 1


def test_an_item_that_the_model_fails_on_becomes_a_dead_letter_without_a_negative(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = ENCODER_FAILED
    harness.start()
    harness.request(["a"])
    harness.until_done()
    assert [cause_from_wire(letter.cause) for letter in harness.letters()] == [ENCODER_FAILED]
    assert harness.row("a") is None
    harness.request(["a"])
    harness.until_done()
    assert harness.encoder.times["a"] == 10  # a later request has attempts of its own


def test_every_record_of_a_key_without_attempts_left_becomes_a_dead_letter(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = UNREACHABLE
    entered, released = harness.encoder.hold("a")
    harness.start()
    harness.request(["a"] * 3)
    assert entered.wait(10)
    released.set()
    harness.until_done()
    assert sorted(letter.offset for letter in harness.letters()) == [0, 1, 2]
    assert harness.encoder.times["a"] == 5


def test_a_temporary_cause_costs_only_its_attempts(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = UNREACHABLE
    harness.start()
    harness.request(["a"])
    harness.until(lambda: harness.encoder.times["a"] >= 2, "a second attempt")
    harness.encoder.causes.clear()
    harness.until_done()
    assert harness.letters() == []
    assert harness.embedding("a")


def test_unreadable_records_become_dead_letters_among_good_ones(harness: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(10)]
    harness.request(keys[:5])
    harness.producer.produce(b"odd", b"\xff\xff", {})
    harness.producer.produce(b"\xff", Fill(b"\xff", 1).to_bytes(), {})
    harness.request(keys[5:])
    harness.start()
    harness.until_done()
    letters = {letter.record_key: letter for letter in harness.letters()}
    kinds = {key: cause_from_wire(letter.cause).kind for key, letter in letters.items()}
    assert kinds == {b"odd": CauseKind.UNREADABLE, b"\xff": CauseKind.INVALID_KEY}
    assert [letter.attempts for letter in letters.values()] == [0, 0]
    assert all(harness.embedding(key) for key in keys)
    assert harness.encoder.times == dict.fromkeys(keys, 1)


def test_unacknowledged_dead_letters_delay_only_their_records(harness: KfcHarness) -> None:
    harness.dead_letters = letters = FailingDeadLetters(harness.topic.dead_letters(), failures=1_000_000)
    harness.producer.produce(b"odd", b"\xff\xff", {})
    harness.start()
    keys = [f"key {i}" for i in range(20)]
    harness.request(keys)
    harness.until(lambda: all(harness.embedding(key) for key in keys), "the good keys are filled")
    harness.until(lambda: harness.lag() < 20, "other partitions are committed")
    assert harness.letters() == []
    assert harness.lag() > 0
    letters.left = 0
    harness.until_done()
    assert len(harness.letters()) == 1


def test_an_outage_of_the_encoder_is_waited_out_and_loses_nothing(harness: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(100)]
    harness.encoder.down.set()
    harness.start()
    harness.request(keys)
    harness.until(lambda: harness.encoder.refused > 20, "many more failures than attempts")
    assert harness.consumer.commits == []
    harness.encoder.down.clear()
    harness.until_done()
    assert all(harness.embedding(key) for key in keys)
    assert harness.encoder.times == dict.fromkeys(keys, 1)
    assert harness.letters() == []
    assert harness.metric("retries_total", reason="retina") >= 20


def test_an_outage_between_attempts_is_not_an_attempt(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = UNREACHABLE
    harness.start()
    harness.request(["a"])
    harness.until(lambda: harness.encoder.times["a"] >= 1, "the first attempt")
    harness.encoder.down.set()
    refused = harness.encoder.refused
    harness.until(lambda: harness.encoder.refused > refused + 10 or harness.letters(), "the outage is met")
    harness.encoder.down.clear()
    harness.until_done()
    assert harness.encoder.times["a"] == 5


def test_an_outage_of_the_store_is_waited_out_without_a_second_encode(harness: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(10)]
    holds = [harness.encoder.hold(key) for key in keys]
    harness.start()
    harness.request(keys)
    harness.until(lambda: any(entered.is_set() for entered, _ in holds), "an encode is under way")
    harness.store.failing.set()
    for _, released in holds:
        released.set()
    harness.until(lambda: harness.metric("retries_total", reason="store") > 10, "writes and reads fail")
    assert not any(harness.row(key) for key in keys)
    assert harness.consumer.commits == []
    harness.store.failing.clear()
    harness.until_done()
    assert all(harness.embedding(key) for key in keys)
    assert harness.encoder.times == dict.fromkeys(keys, 1)
    assert harness.letters() == []


def test_an_outage_of_the_topic_is_waited_out(harness: KfcHarness) -> None:
    harness.consumer.down.set()
    harness.start()
    harness.request(["a"])
    harness.until(lambda: harness.consumer.failed > 5, "polls fail")
    harness.consumer.down.clear()
    harness.until_done()
    assert harness.embedding("a")


def test_commits_that_fail_stop_neither_polls_nor_fills(harness: KfcHarness) -> None:
    harness.consumer.uncommitting.set()
    harness.start()
    harness.request(["a"])
    harness.until(lambda: harness.consumer.failed > 3, "commits fail")
    harness.request(["b"])
    harness.until(lambda: harness.embedding("b"), "b is filled")
    harness.consumer.uncommitting.clear()
    harness.until_done()
    assert harness.encoder.times == {"a": 1, "b": 1}


def test_readiness_names_the_server_in_an_outage_and_the_reason(harness: KfcHarness) -> None:
    harness.encoder.down.set()
    kfc = harness.start()
    assert probe(kfc, "/readyz") == (200, "ok\n")
    harness.request(["a"])
    harness.until(lambda: probe(kfc, "/readyz")[0] == 503, "not ready")
    assert probe(kfc, "/readyz") == (503, "retina unreachable: switched off by the test\n")
    assert probe(kfc, "/healthz") == (200, "ok\n")
    harness.encoder.down.clear()
    harness.until(lambda: probe(kfc, "/readyz")[0] == 200, "ready again")
    harness.store.failing.set()
    harness.request(["b"])
    harness.until(lambda: "store: switched off by the test" in probe(kfc, "/readyz")[1], "the store is named")
    harness.store.failing.clear()
    harness.until_done()


def test_an_unexpected_error_stops_kfc_and_its_records_are_not_committed(
    harness: KfcHarness, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty:
        def encode(self, keys: object, traceparent: object) -> list[None]:
            raise ZeroDivisionError(f"{keys} {traceparent}")

    kfc = harness.start(Faulty())  # type: ignore[arg-type]
    harness.request(["a"])
    harness.until(lambda: kfc.failure, "the fault is kept")
    harness.until(lambda: harness.consumer.closes, "the group is left")
    assert probe(kfc, "/readyz")[0] == 503
    assert "ZeroDivisionError" in probe(kfc, "/readyz")[1]
    assert harness.consumer.commits == []
    assert "after an unexpected error" in caplog.text
