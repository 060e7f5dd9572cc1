from datetime import UTC, datetime, timedelta

import pytest

from embark.cli.rollout.session import ClusterTarget
from embark.cli.rollout.steps import build_replacement
from embark.errors import EmbArkError
from embark.names import APPROVED, RESUMED
from embark.resources import CacheRef, ResourceBody
from embark.space import Space
from embark_testing.worlds.rollout_commands import (
    NEW,
    NOW,
    OLD,
    OTHER_MODEL,
    THIRD_MODEL,
    Commands,
    encoder_with,
    record,
)


def _conflicts(commands: Commands, times: int) -> None:
    """Let a status be written between a read and a write, `times` times."""
    merge = commands.caches.merge
    left = [None] * times

    def disturbed(ref: CacheRef, change: ResourceBody) -> None:
        if left:
            left.pop()
            commands.report(commands.body["status"])
        merge(ref, change)

    commands.caches.merge = disturbed  # type: ignore[method-assign]


def test_approve_names_the_waiting_candidate() -> None:
    commands = Commands()
    commands.roll_out("AwaitingApproval")
    result = commands.run("approve", "photos")
    candidate = Space.from_encoder(NEW).id
    assert (result.exit_code, result.output) == (0, f"default/photos: space {candidate} is approved\n")
    assert commands.cache.metadata.annotations == {APPROVED: candidate}
    assert "already approved" in commands.run("approve", "photos").output


@pytest.mark.parametrize("phase", ["Steady", "Preparing", "Halted"])
def test_approve_fails_if_nothing_waits_for_it(phase: str) -> None:
    commands = Commands()
    commands.roll_out(phase, message="as it is")
    result = commands.run("approve", "photos")
    assert result.exit_code == 1
    assert result.output == (f"Error: default/photos: nothing waits for approval; the rollout is {phase} (as it is)\n")
    assert APPROVED not in commands.cache.metadata.annotations


def test_approve_fails_for_a_cache_without_a_status() -> None:
    commands = Commands()
    del commands.body["status"]
    result = commands.run("approve", "photos")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)


def test_pause_and_resume_set_one_field_and_keep_the_rest_of_the_rollout() -> None:
    commands = Commands()
    commands.edit({"spec": {"rollout": {"parallelism": 7}}})
    assert commands.run("pause", "photos").exit_code == 0
    assert commands.body["spec"]["rollout"] == {"parallelism": 7, "paused": True}
    assert "already paused" in commands.run("pause", "photos").output
    assert commands.run("resume", "photos").exit_code == 0
    assert commands.body["spec"]["rollout"] == {"parallelism": 7, "paused": False}
    again = commands.run("resume", "photos")
    assert (again.exit_code, "neither paused nor halted" in again.output) == (0, True)


def test_pause_does_not_touch_a_halted_rollout_because_a_change_of_the_spec_would_resume_it() -> None:
    commands = Commands()
    commands.roll_out("Halted", message="bad digest")
    generation = commands.cache.metadata.generation
    result = commands.run("pause", "photos")
    assert (result.exit_code, "Halted (bad digest)" in result.output) == (1, True)
    assert commands.cache.metadata.generation == generation


@pytest.mark.parametrize("ahead", [-60, 60], ids=["the-clock-here-is-ahead", "the-clock-there-is-ahead"])
def test_resume_is_never_dated_before_the_rollout_halted(ahead: int) -> None:
    commands = Commands()
    halted = NOW + timedelta(seconds=ahead)
    commands.roll_out("Halted", message="Retina is away", since=halted.isoformat())
    generation = commands.cache.metadata.generation
    result = commands.run("resume", "photos")
    assert (result.exit_code, "Retina is away" in result.output) == (0, True)
    resumed = datetime.fromisoformat(commands.cache.metadata.annotations[RESUMED])
    assert resumed == max(NOW, halted)
    assert resumed.tzinfo == UTC
    assert commands.cache.metadata.generation == generation


@pytest.mark.parametrize("phase", ["AwaitingApproval", "Preparing", "Reembedding", "Verifying", "Halted"])
def test_rollback_before_the_switch_goes_back_to_the_active_space(phase: str) -> None:
    commands = Commands()
    commands.roll_out(phase)
    assert commands.run("rollback", "photos").exit_code == 0
    assert commands.cache.spec.encoder == OLD


@pytest.mark.parametrize("phase", ["Switching", "Holding"])
def test_rollback_after_the_switch_goes_back_to_the_previous_space(phase: str) -> None:
    commands = Commands()
    commands.switched(phase)
    result = commands.run("rollback", "photos")
    assert result.exit_code == 0
    assert result.output == (
        f"default/photos: spec.encoder is set back to efficientnet-lite0, space {Space.from_encoder(OLD).id}\n"
    )
    assert commands.cache.spec.encoder == OLD


def test_rollback_removes_every_field_that_the_old_encoder_does_not_have() -> None:
    commands = Commands()
    commands.switched("Holding")
    commands.body["spec"]["encoder"]["fetch"]["laterField"] = "5s"
    commands.body["spec"]["encoder"]["later"] = {"a": 1}
    merged = build_replacement(commands.body["spec"]["encoder"], record(OLD)["encoder"])
    assert (merged["later"], merged["fetch"]["laterField"]) == (None, None)
    commands.edit({"spec": {"encoder": merged}})
    assert commands.body["spec"]["encoder"] == record(OLD)["encoder"]


def test_rollback_decides_again_when_the_cache_has_changed_since_it_was_read() -> None:
    commands = Commands()
    commands.switched("Holding")
    _conflicts(commands, 3)
    assert commands.run("rollback", "photos").exit_code == 0
    assert commands.cache.spec.encoder == OLD


def test_rollback_gives_up_in_one_line_after_too_many_conflicts() -> None:
    commands = Commands()
    commands.switched("Holding")
    _conflicts(commands, 1000)
    result = commands.run("rollback", "photos")
    assert (
        result.exit_code,
        result.output.startswith("Error: EmbeddingCache default/photos: conflicting updates"),
    ) == (1, True)
    assert commands.cache.spec.encoder == NEW


def test_rollback_fails_without_a_space_to_go_back_to_and_says_what_to_do() -> None:
    commands = Commands()
    result = commands.run("rollback", "photos")
    assert result.exit_code == 1
    assert "there is no space to go back to" in result.output
    assert "embark plan FILE" in result.output
    commands.report({"spaces": {"active": record(OLD)}, "rollout": {"phase": "RollingBack", "message": "drops"}})
    assert "already RollingBack (drops)" in commands.run("rollback", "photos").output


def test_rollback_changes_nothing_if_the_spec_is_already_back() -> None:
    commands = Commands()
    commands.roll_out("Reembedding")
    commands.set_encoder(OLD)
    version = commands.body["metadata"]["resourceVersion"]
    result = commands.run("rollback", "photos")
    assert (result.exit_code, "already" in result.output) == (0, True)
    assert commands.body["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("command", ["approve", "pause", "resume", "rollback", "status", "plan"])
def test_a_missing_cache_is_reported_in_one_line(command: str) -> None:
    result = Commands().run(command, "nowhere", "-n", "else")
    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert line.startswith("Error: EmbeddingCache else/nowhere: not found; `kubectl get embeddingcaches -n else`")


def test_the_options_select_the_cluster() -> None:
    commands = Commands()
    commands.run("pause", "photos", "-n", "default", "--context", "c", "--kubeconfig", "/k")
    assert commands.targets == [ClusterTarget("default", "c", "/k")]


def test_rollback_also_replaces_a_third_encoder() -> None:
    commands = Commands()
    commands.roll_out("Reembedding")
    commands.set_encoder(encoder_with(**THIRD_MODEL))
    assert encoder_with(**OTHER_MODEL) != encoder_with(**THIRD_MODEL)
    commands.run("rollback", "photos")
    assert commands.cache.spec.encoder == OLD


def test_a_refused_change_is_reported_in_one_line() -> None:
    commands = Commands()

    def refuse(ref: CacheRef, change: ResourceBody) -> None:  # noqa: ARG001 - refused unread
        raise EmbArkError(f"{ref}: ann\nmay not patch")

    commands.caches.merge = refuse  # type: ignore[method-assign]
    result = commands.run("pause", "photos")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: EmbeddingCache default/photos: ann may not patch\n"
