"""The replay of dead letters."""

from datetime import timedelta

import pytest

from embark.causes import Cause, CauseKind
from embark.cli.replays import DeadLetter, replay
from embark.errors import UnavailableError
from embark.store import Embedding
from embark.topic import Fill, Record
from embark.topic.memory import MemoryTopic
from embark_testing.kfc.harness import KfcHarness
from embark_testing.kfc.parts import ENCODER_FAILED, UNREACHABLE, fake_vector
from kfc.fill.dead_letters import build_dead_letter

CAUSE = Cause(CauseKind.UNREACHABLE, "no answer")
FILL = Fill(b"https://photographs.example/a.jpg", requested_at=1_000_000, not_before=7).to_bytes()


def test_a_dead_letter_has_its_cause_and_the_consumed_record() -> None:
    record = Record("fills", 3, 41, b"key", FILL)
    letter = DeadLetter.from_record(Record("dead", 0, 9, b"key", build_dead_letter(record, CAUSE, 5, 2_000_000)))
    assert (letter.place, letter.cause, letter.attempts) == ("0/9", CAUSE, 5)
    assert (letter.key, letter.value, letter.origin) == (b"key", FILL, "fills/3/41")
    assert letter.failed_at.timestamp() == 2


def test_bytes_that_are_not_a_dead_letter_are_shown_without_an_error() -> None:
    letter = DeadLetter.from_record(Record("dead", 1, 2, b"key", b"\xff\xff"))
    assert letter.cause.kind is CauseKind.UNREADABLE
    assert not letter.replayable


def test_a_replay_requests_the_same_record_again_and_skips_unreadable_ones() -> None:
    topic = MemoryTopic()
    count = replay([_letter(FILL), _letter(b"\xff")], topic.producer(), _never)
    again = topic.consumer("group").poll(10, timedelta(seconds=5))
    topic.close()
    assert count == 1
    assert [(record.key, record.value) for record in again] == [(b"key", FILL)]


def test_a_replayed_key_is_encoded_despite_its_negative(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = UNREACHABLE
    harness.start()
    harness.request(["a"])
    harness.until_done()
    assert harness.negative("a")
    harness.encoder.causes.clear()
    letters = [DeadLetter.from_record(record) for record in harness.dead_letters.read()]
    assert replay(letters, harness.producer, _never) == 1
    harness.until_done()
    assert harness.embedding("a")


def test_a_replay_of_a_filled_key_encodes_nothing(harness: KfcHarness) -> None:
    harness.encoder.causes["a"] = ENCODER_FAILED
    harness.start()
    harness.request(["a"])
    harness.until_done()
    attempts = harness.encoder.times["a"]
    harness.clock.advance(timedelta(seconds=1))
    harness.memory.write(harness.space, [Embedding("a", fake_vector("a"), harness.clock.at)])
    replay([DeadLetter.from_record(record) for record in harness.dead_letters.read()], harness.producer, _never)
    harness.until_done()
    assert harness.encoder.times["a"] == attempts


def test_a_replay_into_a_full_topic_reports_its_progress() -> None:
    topic = MemoryTopic(capacity=1)
    with pytest.raises(UnavailableError, match="accepted only 1 of 2"):
        replay([_letter(FILL), _letter(FILL)], topic.producer(), _never)
    topic.close()


def _letter(value: bytes) -> DeadLetter:
    record = Record("fills", 0, 0, b"key", value)
    return DeadLetter.from_record(Record("dead", 0, 0, b"key", build_dead_letter(record, CAUSE, 5, 0)))


def _never() -> None:
    raise AssertionError("a memory topic acknowledges at once")
