import logging

import pytest

from embark.topic.kafka.log import KafkaLog


def refused(log: KafkaLog, port: int, milliseconds: int) -> None:
    log.log(
        logging.ERROR,
        "%s [%s] %s",
        "FAIL",
        "embark#producer-1",
        f"{port}: refused (after {milliseconds}ms in state CONNECT)",
    )


def test_a_repeated_line_is_forwarded_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter([0.0, 1.0, 2.0, 59.0, 61.0])
    log = KafkaLog(lambda: next(seconds))
    for port, milliseconds in [(9092, 0), (9092, 7), (9093, 0), (9092, 0), (9092, 0)]:
        refused(log, port, milliseconds)
    lines = [record.getMessage().rpartition("] ")[2] for record in caplog.records]
    assert [line.partition(" (")[0] for line in lines] == ["9092: refused", "9093: refused", "9092: refused"]
    assert {record.levelname for record in caplog.records} == {"ERROR"}


def test_different_lines_are_all_forwarded(caplog: pytest.LogCaptureFixture) -> None:
    log = KafkaLog(lambda: 0.0)
    for port in range(1_500):
        refused(log, port, 0)
    assert len(caplog.records) == 1_500
    assert len(log._forwarded) <= 1_000
