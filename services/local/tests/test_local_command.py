"""`embark local` as a user runs it when the manifest asks for another model: killed, restarted, approved."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark_testing.worlds.local_rollouts import KEYS, WAIT, LocalHarness, space
from embark_testing.worlds.two_spaces import build_manifest, text_model

EMBARK = Path(sys.executable).parent / "embark"
# The process is killed after each of these lines in turn; each start continues to the next.
DEATHS = ["plan:", "re-embedding [", "verified:", "switched:"]


class Command:
    """A running `embark local` and its output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""

    def await_line(self, beginning: str) -> None:
        """Read until a line begins with `beginning`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.startswith(beginning):
                return
        raise AssertionError(f"no line {beginning!r} in\n{self.output}")

    @property
    def target(self) -> str:
        found = re.search(r"--server (\S+)", self.output)
        assert found is not None
        return found[1]

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        self.output += self.process.communicate(timeout=WAIT)[0]
        return self.process.returncode


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


@contextmanager
def command(harness: LocalHarness, dimension: int, *arguments: str, **rollout: Any) -> Iterator[Command]:
    """Run `embark local` with the model of that dimension until the block ends, then kill it."""
    manifest = harness.folder / f"text-{dimension}.yaml"
    manifest.write_text(build_manifest(harness.models, text_model(dimension), dimension, rollout=rollout))
    folders = ["--data", str(harness.data), "--models", str(harness.models)]
    line = [str(EMBARK), "local", "-f", str(manifest), "--port", "0", *folders, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            yield Command(process)
        finally:
            process.kill()


def test_a_rollout_killed_again_and_again_ends_as_an_undisturbed_one(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS)
    for death in DEATHS:
        with command(harness, 3) as local:
            local.await_line(death)
    with command(harness, 3) as local:
        local.await_line("ready")
        with EmbArkClient(local.target, timeout=WAIT) as client:
            found, pinned = client.lookup(KEYS), client.lookup(KEYS, space=space(a))
        assert local.terminate() == 0
    assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})
    assert (pinned.space, set(pinned.statuses)) == (space(a), {KeyStatus.HIT})
    assert harness.tables() == harness.groups() == {space(a), space(b)}
    spaces = harness.status.spaces
    assert spaces.active is not None
    assert (spaces.active.encoder, spaces.candidate, spaces.dropped) == (b.spec.encoder, None, None)


def test_a_scan_that_is_killed_continues_from_its_checkpoints(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS)
    with command(harness, 3, maxKeysPerSecond=50) as local:
        local.await_line("re-embedding [")
        local.await_line("re-embedding [")
    with command(harness, 3) as local:
        local.await_line("re-embedding [")
        begun = re.search(r"(\d+)/300 keys", local.output)
        assert begun is not None
        assert int(begun[1]) > 0
        local.await_line("switched:")
        with EmbArkClient(local.target, timeout=WAIT) as client:
            found = client.lookup(KEYS)
        assert (found.space, set(found.statuses)) == (space(b), {KeyStatus.HIT})
        assert local.terminate() == 0


def test_without_a_terminal_a_manual_rollout_names_the_command_that_approves_it(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, KEYS[:10])
    with command(harness, 3, approval="Manual") as local:
        local.await_line(
            f"spec.rollout.approval is Manual: to re-embed, run `embark approve titles --data {harness.data}`"
        )
        with EmbArkClient(local.target, timeout=WAIT) as client:
            assert client.lookup(KEYS[:10]).space == space(a)
        assert local.terminate() == 0
    assert harness.tables() == {space(a)}
    with command(harness, 3, "--approve", approval="Manual") as local:
        local.await_line("switched:")
        assert local.terminate() == 0
    assert harness.tables() == {space(a), space(b)}


def test_a_stop_during_the_scan_exits_with_0(harness: LocalHarness) -> None:
    harness.fill(harness.cache(2), KEYS)
    with command(harness, 3, maxKeysPerSecond=20) as local:
        local.await_line("re-embedding [")
        assert local.terminate() == 0
    assert "draining" in local.output
