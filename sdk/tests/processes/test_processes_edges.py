"""Logs, exit status, signals and Secrets of a process."""

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embark.backends import Secrets, topic_access
from embark.errors import InvalidSpecError
from embark.processes import ServiceFailedError, exit_status, json_formatter, read_settings, wait_for_stop
from embark.settings import Listen
from embark.signals import Stopping, catch_signals
from embark_testing.deployments.killed_child import child


@pytest.fixture
def stopping() -> Iterator[Stopping]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield catch_signals()
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_log_line_is_one_json_object_with_its_key_and_space() -> None:
    record = logging.makeLogRecord({"msg": "two\nlines of %s", "args": ("x",), "levelname": "INFO", "key": "k"})
    line = json_formatter().format(record)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": None,
        "message": "two\nlines of x",
        "key": "k",
    }


def test_a_log_line_carries_the_traceback_and_any_extra_as_text() -> None:
    try:
        raise OSError("no space left on ä")  # noqa: TRY301 - the record needs a traceback
    except OSError:
        extra = {"path": Path("/a"), "exc_info": sys.exc_info(), "msg": "100 %"}
        line = json_formatter().format(logging.makeLogRecord(extra))
    found = json.loads(line)
    assert "ä" in line
    assert found["error"].startswith("Traceback")
    assert found["error"].endswith("OSError: no space left on ä")
    assert (found["message"], found["path"]) == ("100 %", "/a")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", found["time"])
    assert list(found)[:4] == ["time", "level", "logger", "message"]


def test_sigterm_ends_the_wait(stopping: Stopping) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for_stop(stopping)
    assert stopping.is_set()


def test_a_signal_during_a_wait_never_blocks_it() -> None:
    code = """
        import signal
        from embark.signals import Stopping
        print("begun", flush=True)
        for round in range(5_000):
            stopping = Stopping()
            signal.signal(signal.SIGALRM, lambda *_: stopping.set())
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + round % 50 * 0.00001)
            while not stopping.wait(0.00002):
                pass
        print("ended", flush=True)
    """
    with child(code) as (_, lines):
        assert list(lines) == ["begun", "ended"]


def test_an_unexpected_error_ends_the_wait_and_is_named(stopping: Stopping) -> None:
    with pytest.raises(ServiceFailedError, match="broken"):
        wait_for_stop(stopping, lambda: ValueError("broken"))


def test_an_error_that_people_can_fix_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise InvalidSpecError("spec.store", "no such server")

    assert exit_status(refuse) == 1
    assert capsys.readouterr().err == "error: spec.store: no such server\n"
    assert exit_status(lambda: None) == 0


def test_invalid_settings_are_reported_by_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"grpcPort": 70000}')
    assert exit_status(lambda: print(read_settings(path, Listen))) == 1
    assert "grpcPort" in capsys.readouterr().err


def test_secrets_are_read_without_the_newline_of_echo(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("embark\n")
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "ca.crt").write_text("PEM")
    access = topic_access(Secrets(topic_credentials=tmp_path, topic_tls=tmp_path))
    assert (access.username, access.password, access.authority, access.certificate) == ("embark", "secret", "PEM", "")
    assert "secret" not in repr(access)
