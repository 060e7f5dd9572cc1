"""`kfc.reembed` and `kfc.verify`, with an embedded store and a scripted encoder."""

import json
import logging
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from embark.backends import Secrets
from embark.clock import now
from embark.errors import InvalidSpecError
from embark.rollout.verdict import Verdict
from embark.settings import Listen, ReembedSettings, VerifySettings
from embark.signals import Stopping
from embark.store.memory import MemoryStore
from embark.termination import TerminationMessage
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.reembed_harness import UNDECODABLE, FiniteEncoder, ReembedHarness
from embark_testing.servers.free_ports import free_ports
from kfc.jobs import UnfinishedError
from kfc.reembed import __main__ as reembed
from kfc.reembed.lookup_times import Times
from kfc.verify import __main__ as verify_command


class _KeptStore(MemoryStore):
    """A store that stays open when the command closes it."""

    def close(self) -> None:
        """Stay open."""


class _Command:
    """Runs the commands on one harness, in this process."""

    def __init__(self, harness: ReembedHarness, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.harness = harness
        self.stopping = Stopping()
        self.verdict = folder / "verdict.json"
        harness.encoder.close = lambda: None  # type: ignore[attr-defined]
        for module in (reembed, verify_command):
            monkeypatch.setattr(module, "open_store", lambda *_: harness.store)
        monkeypatch.setattr(reembed, "RetinaEncoder", lambda *_: harness.encoder)

    def reembed(self, index: str = "0", **fields: Any) -> None:
        """Run one of `processes`, by default the only one."""
        self._registry = CollectorRegistry()
        settings = ReembedSettings.model_validate({"kfc": self.harness.settings, "processes": 1} | fields)
        environment = {"JOB_COMPLETION_INDEX": index} if index else {}
        reembed.run(settings, Secrets(), self.stopping, environment, self._registry)

    def verify(self) -> Verdict:
        """Run the check with the gate that specs have by default; return its verdict."""
        self._registry = CollectorRegistry()
        gate = {"min_coverage": "0.99", "max_failure_ratio": "0.01", "termination_log": str(self.verdict)}
        settings = VerifySettings.model_validate({"kfc": self.harness.settings} | gate)
        verify_command.run(settings, Secrets(), self.stopping, self._registry)
        message = TerminationMessage.model_validate_json(self.verdict.read_text())
        assert message.verdict
        return message.verdict

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric of the last command."""
        return self._registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Command]:
    clock = FakeClock()
    harness = ReembedHarness(_KeptStore(clock), clock)
    [port] = free_ports("127.0.0.1", 1)
    listen = Listen(host="127.0.0.1", probes_port=port)
    harness.settings = harness.settings.model_copy(update={"listen": listen})
    harness.encoder = FiniteEncoder()
    yield _Command(harness, tmp_path, monkeypatch)
    harness.encoder.down.clear()


def test_processes_of_a_job_share_the_keys_and_count_them(command: _Command) -> None:
    keys = command.harness.fill(300)
    command.harness.encoder.causes[keys[0]] = UNDECODABLE
    command.reembed("0", processes=2)
    first = len(command.harness.encoder.times)
    assert 0 < first < 300
    assert sum(command.metric("embark_reembed_keys_total", outcome=one) for one in ("done", "failed")) == first
    command.reembed("1", processes=2)
    assert command.harness.encoder.times == dict.fromkeys(keys, 1)
    assert command.harness.counts() == (299, 1)
    assert len(command.harness.store.checkpoints().load(command.harness.space)) == 256


@pytest.mark.parametrize("index", ["2", "-1", "one", ""])
def test_an_index_that_is_not_one_of_the_processes_is_refused(command: _Command, index: str) -> None:
    with pytest.raises(InvalidSpecError, match=f"JOB_COMPLETION_INDEX: '{index}' is not one of 2 processes"):
        command.reembed(index, processes=2)


def test_it_follows_the_latencies_of_the_embark_in_its_settings(
    command: _Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keys, addresses = command.harness.fill(20), []

    def pods(host: str, port: int) -> Callable[[], Times]:
        addresses.append((host, port))
        return lambda: Times({0.001: 100})

    monkeypatch.setattr(reembed, "PodLookupTimes", pods)
    command.reembed(max_lookup_slowdown=3, embark={"host": "::1", "port": 8080})
    assert addresses == [("::1", 8080)]
    assert "the re-embedding runs as fast as lookups bear" in caplog.messages
    assert command.harness.encoder.times == dict.fromkeys(keys, 1)
    assert command.metric("embark_reembed_limit") == inf  # once it is over


@pytest.mark.parametrize(
    "address",
    [{"host": "", "port": 8080}, {"host": "embark"}, {"host": "embark", "port": 0}, {"host": "embark", "port": 65536}],
)
def test_an_invalid_address_of_embark_is_refused(command: _Command, address: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"embark\.(host|port)"):
        command.reembed(embark=address)


def test_readiness_names_an_outage_and_a_stop_is_a_failure(command: _Command) -> None:
    command.harness.fill(20)
    command.harness.encoder.down.set()
    ends: list[BaseException] = []

    def body() -> None:
        try:
            command.reembed()
        except UnfinishedError as error:
            ends.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        eventually(lambda: "retina unreachable: switched off" in _readiness(command), what="the outage is named")
    finally:
        command.stopping.set()
        thread.join(10)
    assert [str(end) for end in ends] == ["stopped before the work was done; run it again to continue"]


def _readiness(command: _Command) -> str:
    try:
        port = command.harness.settings.listen.probes_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""


def test_a_passed_gate_keeps_the_checkpoints_and_a_failed_one_drops_them(command: _Command) -> None:
    keys = command.harness.fill(100)
    command.reembed()
    assert command.verify() == Verdict(keys=100, held=100, failed=0, sampled=100)
    assert json.loads(command.verdict.read_text()) == {
        "error": "",
        "server": "",
        "verdict": {"keys": 100, "held": 100, "failed": 0, "sampled": 100, "faults": [], "lost": []},
    }
    assert command.harness.finished()
    assert command.harness.counts() == (100, 0)
    command.harness.store.delete(command.harness.space, keys[:2], now())
    assert command.verify().held == 98
    assert command.harness.store.checkpoints().load(command.harness.space) == []


def test_lost_keys_are_in_the_verdict_and_in_the_log_with_their_causes(
    command: _Command, caplog: pytest.LogCaptureFixture
) -> None:
    keys = command.harness.fill(100)
    command.harness.encoder.causes[keys[7]] = UNDECODABLE
    command.reembed()
    named = f"{keys[7]}: {UNDECODABLE}"
    assert command.verify().lost == (named,)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [f"lost: {named}"]


def test_a_verification_that_is_stopped_writes_no_verdict(command: _Command) -> None:
    command.harness.fill(100)
    command.stopping.set()
    with pytest.raises(UnfinishedError):
        command.verify()
    assert not command.verdict.exists()


@pytest.mark.parametrize("module", ["kfc.reembed", "kfc.verify"])
def test_help_shows_the_options(module: str) -> None:
    shown = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, check=True, text=True)
    assert "--settings" in shown.stdout
