"""`embark plan`, `status`, `pause`, `resume`, `approve` and `rollback` on the data folder of a local cache."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from embark.cli.main import build_cli
from embark.client import EmbArkClient, KeyStatus
from embark.rollout.state import RolloutPhase
from embark_local.compose import Local
from embark_testing.eventually import eventually
from embark_testing.worlds.local_rollouts import (
    KEYS,
    WAIT,
    LocalHarness,
    RecordingReporter,
    await_switch,
    space,
)
from embark_testing.worlds.two_spaces import build_manifest, text_model

FEW = KEYS[:20]


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


def embark(harness: LocalHarness, *arguments: str, exit_code: int = 0) -> str:
    """Run a rollout command on the data folder and return what it prints."""
    result = CliRunner().invoke(build_cli(), [*arguments, "--data", str(harness.data)])
    assert result.exit_code == exit_code, result.output
    return result.output


def status(harness: LocalHarness) -> Any:
    return json.loads(embark(harness, "status", "titles", "-o", "json"))


def await_phase(harness: LocalHarness, phase: RolloutPhase) -> None:
    eventually(lambda: status(harness)["rollout"]["phase"] == phase, WAIT, phase)


def assert_hits(local: Local, keys: list[str], active: str) -> None:
    with EmbArkClient(local.target, timeout=WAIT) as client:
        found = client.lookup(keys)
    assert (found.space, set(found.statuses)) == (active, {KeyStatus.HIT})


def test_a_plan_counts_the_keys_of_the_folder_whether_or_not_the_cache_runs(harness: LocalHarness) -> None:
    a, other = harness.cache(2), harness.folder / "other.yaml"
    other.write_text(build_manifest(harness.models, text_model(3), 3))
    harness.fill(a, FEW)
    with harness.running(a):
        eventually(lambda: harness.status.cache.entries == 20, WAIT, "the count")
        running = embark(harness, "plan", str(other))
    assert "keys to encode  20" in running
    assert embark(harness, "plan", str(other)) == running
    assert harness.tables() == {space(a)}


def test_a_rollout_is_paused_and_resumed_while_it_runs(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, maxKeysPerSecond=60), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter) as local:
        eventually(lambda: reporter.shown and reporter.shown[-1].done > 20, WAIT, "a part")
        embark(harness, "pause", "titles")
        eventually(lambda: "paused" in status(harness)["rollout"].get("message", ""), WAIT, "the pause")
        paused_at = len(reporter.shown)
        assert local.space == space(a)
        assert status(harness)["rollout"]["phase"] == RolloutPhase.REEMBEDDING
        assert_hits(local, KEYS, space(a))
        assert len(reporter.shown) == paused_at
        embark(harness, "resume", "titles")
        await_switch(local, b)
        assert_hits(local, KEYS, space(b))
    assert reporter.shown[paused_at].done > 20


def test_a_pause_outlasts_a_restart_and_a_resume_without_a_process_takes_effect_at_the_next(
    harness: LocalHarness,
) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, maxKeysPerSecond=60), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter):
        eventually(lambda: reporter.shown and reporter.shown[-1].done > 20, WAIT, "a part")
    embark(harness, "pause", "titles")
    with harness.running(b) as local:
        eventually(lambda: "paused" in status(harness)["rollout"].get("message", ""), WAIT, "the pause")
        assert_hits(local, KEYS, space(a))
    embark(harness, "resume", "titles")
    with harness.running(b) as local:
        await_switch(local, b)
        assert_hits(local, KEYS, space(b))


@pytest.mark.parametrize("while_running", [True, False])
def test_a_manual_rollout_is_approved(harness: LocalHarness, *, while_running: bool) -> None:
    a, b = harness.cache(2), harness.cache(3, approval="Manual")
    harness.fill(a, FEW)
    with harness.running(b) as local:
        await_phase(harness, RolloutPhase.AWAITING_APPROVAL)
        assert f"embark approve titles --data {harness.data}" in embark(harness, "status", "titles")
        assert harness.tables() == {space(a)}
        if while_running:
            embark(harness, "approve", "titles")
            await_switch(local, b)
            return
    embark(harness, "approve", "titles")
    with harness.running(b) as local:
        await_switch(local, b)


@pytest.mark.parametrize("while_running", [True, False])
def test_a_rollback_after_the_switch_takes_effect_at_once_and_outlasts_a_restart(
    harness: LocalHarness, *, while_running: bool
) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, FEW)
    with harness.running(b) as local:
        await_phase(harness, RolloutPhase.HOLDING)
        if while_running:
            embark(harness, "rollback", "titles")
            await_switch(local, a)
    if not while_running:
        embark(harness, "rollback", "titles")
    reporter = RecordingReporter()
    with harness.running(b, reporter) as local:
        assert local.space == space(a)
        assert_hits(local, FEW, space(a))
        await_phase(harness, RolloutPhase.STEADY)
    assert reporter.shown == []
    assert harness.tables() == harness.groups() == {space(a)}


def test_a_rollback_during_the_scan_drops_the_candidate(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3, maxKeysPerSecond=60), RecordingReporter()
    harness.fill(a, KEYS)
    with harness.running(b, reporter) as local:
        eventually(lambda: reporter.shown and reporter.shown[-1].done > 20, WAIT, "a part")
        embark(harness, "rollback", "titles")
        reporter.await_message(f"space {space(b)} is dropped")
        assert_hits(local, KEYS, space(a))
    assert harness.tables() == harness.groups() == {space(a)}


def test_a_halted_rollout_is_resumed_once_its_cause_is_fixed(harness: LocalHarness) -> None:
    a, b, reporter = harness.cache(2), harness.cache(3), RecordingReporter()
    harness.fill(a, FEW)
    (installed,) = harness.models.glob(f"*{b.spec.encoder.model.digest[-12:]}*")
    content = installed.read_bytes()
    installed.write_bytes(b"not the model")
    with harness.running(b, reporter) as local:
        await_phase(harness, RolloutPhase.HALTED)
        installed.write_bytes(content)
        embark(harness, "resume", "titles")
        await_switch(local, b)
        assert_hits(local, FEW, space(b))


def test_a_watched_status_ends_with_the_rollout(harness: LocalHarness) -> None:
    a, b = harness.cache(2), harness.cache(3)
    harness.fill(a, FEW)
    with harness.running(b):
        output = embark(harness, "status", "titles", "--watch")
    assert output.splitlines()[-1].startswith("default/titles: Holding")


def test_an_unknown_name_and_a_folder_without_a_cache_have_different_errors(harness: LocalHarness) -> None:
    harness.fill(harness.cache(2), FEW[:1])
    assert "cache.json" in embark(harness, "status", "photos", exit_code=1)
    empty = LocalHarness(harness.folder / "empty")
    empty.data.mkdir(parents=True)
    assert "has no cache.json" in embark(empty, "status", "titles", exit_code=1)
