"""Attempts, dead letters and outages."""

import pytest

from embark.causes import CauseKind
from embark.rpc.wire import cause_from_wire
from embark.store import Negative
from embark.topic import Fill
from embark_testing.kfc.harness import FailingDeadLetters, KfcHarness, probe
from embark_testing.kfc.parts import ENCODER_FAILED, UNREACHABLE


def test_a_key_that_stays_unreachable_becomes_a_dead_letter_and_a_negative(bench: KfcHarness) -> None:
    bench.encoder.causes["a"] = UNREACHABLE
    bench.start()
    bench.request(["a", "b"])
    bench.until_done()
    (letter,) = bench.letters()
    (record,) = [record for record in bench.consumer.polled if record.key == b"a"]
    assert (cause_from_wire(letter.cause), letter.attempts) == (UNREACHABLE, 5)
    assert (letter.record_key, letter.record_value) == (record.key, record.value)
    assert (letter.topic, letter.partition, letter.offset) == (record.topic, record.partition, record.offset)
    assert letter.failed_at.ToMicroseconds() == bench.clock.at
    assert bench.row("a") == Negative("a", UNREACHABLE, bench.clock.at, bench.clock.at + 300_000_000)
    assert bench.embedding("b")
    assert bench.encoder.times == {"a": 5, "b": 1}
    assert bench.metric("retries_total", reason="unreachable") == 4
    assert bench.metric("fills_total", outcome="dead-lettered") == 1


def test_an_item_that_the_model_fails_on_becomes_a_dead_letter_without_a_negative(bench: KfcHarness) -> None:
    bench.encoder.causes["a"] = ENCODER_FAILED
    bench.start()
    bench.request(["a"])
    bench.until_done()
    assert [cause_from_wire(letter.cause) for letter in bench.letters()] == [ENCODER_FAILED]
    assert bench.row("a") is None
    bench.request(["a"])
    bench.until_done()
    assert bench.encoder.times["a"] == 10  # a later request has attempts of its own


def test_every_record_of_a_key_without_attempts_left_becomes_a_dead_letter(bench: KfcHarness) -> None:
    bench.encoder.causes["a"] = UNREACHABLE
    entered, released = bench.encoder.hold("a")
    bench.start()
    bench.request(["a"] * 3)
    assert entered.wait(10)
    released.set()
    bench.until_done()
    assert sorted(letter.offset for letter in bench.letters()) == [0, 1, 2]
    assert bench.encoder.times["a"] == 5


def test_a_temporary_cause_costs_only_its_attempts(bench: KfcHarness) -> None:
    bench.encoder.causes["a"] = UNREACHABLE
    bench.start()
    bench.request(["a"])
    bench.until(lambda: bench.encoder.times["a"] >= 2, "a second attempt")
    bench.encoder.causes.clear()
    bench.until_done()
    assert bench.letters() == []
    assert bench.embedding("a")


def test_unreadable_records_become_dead_letters_among_good_ones(bench: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(10)]
    bench.request(keys[:5])
    bench.producer.produce(b"odd", b"\xff\xff", {})
    bench.producer.produce(b"\xff", Fill(b"\xff", 1).to_bytes(), {})
    bench.request(keys[5:])
    bench.start()
    bench.until_done()
    letters = {letter.record_key: letter for letter in bench.letters()}
    kinds = {key: cause_from_wire(letter.cause).kind for key, letter in letters.items()}
    assert kinds == {b"odd": CauseKind.UNREADABLE, b"\xff": CauseKind.INVALID_KEY}
    assert [letter.attempts for letter in letters.values()] == [0, 0]
    assert all(bench.embedding(key) for key in keys)
    assert bench.encoder.times == dict.fromkeys(keys, 1)


def test_unacknowledged_dead_letters_delay_only_their_records(bench: KfcHarness) -> None:
    bench.dead_letters = letters = FailingDeadLetters(bench.topic.dead_letters(), failures=1_000_000)
    bench.producer.produce(b"odd", b"\xff\xff", {})
    bench.start()
    keys = [f"key {i}" for i in range(20)]
    bench.request(keys)
    bench.until(lambda: all(bench.embedding(key) for key in keys), "the good keys are filled")
    bench.until(lambda: bench.lag() < 20, "other partitions are committed")
    assert bench.letters() == []
    assert bench.lag() > 0
    letters.left = 0
    bench.until_done()
    assert len(bench.letters()) == 1


def test_an_outage_of_the_encoder_is_waited_out_and_loses_nothing(bench: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(100)]
    bench.encoder.down.set()
    bench.start()
    bench.request(keys)
    bench.until(lambda: bench.encoder.refused > 20, "many more failures than attempts")
    assert bench.consumer.commits == []
    bench.encoder.down.clear()
    bench.until_done()
    assert all(bench.embedding(key) for key in keys)
    assert bench.encoder.times == dict.fromkeys(keys, 1)
    assert bench.letters() == []
    assert bench.metric("retries_total", reason="retina") >= 20


def test_an_outage_between_attempts_is_not_an_attempt(bench: KfcHarness) -> None:
    bench.encoder.causes["a"] = UNREACHABLE
    bench.start()
    bench.request(["a"])
    bench.until(lambda: bench.encoder.times["a"] >= 1, "the first attempt")
    bench.encoder.down.set()
    refused = bench.encoder.refused
    bench.until(lambda: bench.encoder.refused > refused + 10 or bench.letters(), "the outage is met")
    bench.encoder.down.clear()
    bench.until_done()
    assert bench.encoder.times["a"] == 5


def test_an_outage_of_the_store_is_waited_out_without_a_second_encode(bench: KfcHarness) -> None:
    keys = [f"key {i}" for i in range(10)]
    holds = [bench.encoder.hold(key) for key in keys]
    bench.start()
    bench.request(keys)
    bench.until(lambda: any(entered.is_set() for entered, _ in holds), "an encode is under way")
    bench.store.failing.set()
    for _, released in holds:
        released.set()
    bench.until(lambda: bench.metric("retries_total", reason="store") > 10, "writes and reads fail")
    assert not any(bench.row(key) for key in keys)
    assert bench.consumer.commits == []
    bench.store.failing.clear()
    bench.until_done()
    assert all(bench.embedding(key) for key in keys)
    assert bench.encoder.times == dict.fromkeys(keys, 1)
    assert bench.letters() == []


def test_an_outage_of_the_topic_is_waited_out(bench: KfcHarness) -> None:
    bench.consumer.down.set()
    bench.start()
    bench.request(["a"])
    bench.until(lambda: bench.consumer.failed > 5, "polls fail")
    bench.consumer.down.clear()
    bench.until_done()
    assert bench.embedding("a")


def test_commits_that_fail_stop_neither_polls_nor_fills(bench: KfcHarness) -> None:
    bench.consumer.uncommitting.set()
    bench.start()
    bench.request(["a"])
    bench.until(lambda: bench.consumer.failed > 3, "commits fail")
    bench.request(["b"])
    bench.until(lambda: bench.embedding("b"), "b is filled")
    bench.consumer.uncommitting.clear()
    bench.until_done()
    assert bench.encoder.times == {"a": 1, "b": 1}


def test_readiness_names_the_server_in_an_outage_and_the_reason(bench: KfcHarness) -> None:
    bench.encoder.down.set()
    kfc = bench.start()
    assert probe(kfc, "/readyz") == (200, "ok\n")
    bench.request(["a"])
    bench.until(lambda: probe(kfc, "/readyz")[0] == 503, "not ready")
    assert probe(kfc, "/readyz") == (503, "retina unreachable: switched off by the test\n")
    assert probe(kfc, "/healthz") == (200, "ok\n")
    bench.encoder.down.clear()
    bench.until(lambda: probe(kfc, "/readyz")[0] == 200, "ready again")
    bench.store.failing.set()
    bench.request(["b"])
    bench.until(lambda: "store: switched off by the test" in probe(kfc, "/readyz")[1], "the store is named")
    bench.store.failing.clear()
    bench.until_done()


def test_an_unexpected_error_stops_kfc_and_its_records_are_not_committed(
    bench: KfcHarness, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty:
        def encode(self, keys: object, traceparent: object) -> list[None]:
            raise ZeroDivisionError(f"{keys} {traceparent}")

    kfc = bench.start(Faulty())  # type: ignore[arg-type]
    bench.request(["a"])
    bench.until(lambda: kfc.failure, "the fault is kept")
    bench.until(lambda: bench.consumer.closes, "the group is left")
    assert probe(kfc, "/readyz")[0] == 503
    assert "ZeroDivisionError" in probe(kfc, "/readyz")[1]
    assert bench.consumer.commits == []
    assert "after an unexpected error" in caplog.text
