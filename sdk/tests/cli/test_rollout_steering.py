from datetime import UTC, datetime, timedelta

import pytest

from embark.names import APPROVED, RESUMED
from embark.space import space_of
from embark_operator.cli.steps import replacement
from embark_operator.cluster.kinds import Kind
from embark_operator.cluster.protocol import ApiRefusedError
from embark_operator.names import Manifest
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
    """Let the operator write the status between a read and a write, `times` times."""
    merge = commands.caches.merge
    left = [None] * times

    def disturbed(kind: Kind, namespace: str, name: str, change: Manifest) -> None:
        if left:
            left.pop()
            commands.report(commands.body["status"])
        merge(kind, namespace, name, change)

    commands.caches.merge = disturbed  # type: ignore[method-assign]


def test_approve_names_the_candidate_that_waits() -> None:
    commands = Commands()
    commands.roll_out("AwaitingApproval")
    result = commands.run("approve", "photos")
    candidate = space_of(NEW).id
    assert (result.exit_code, result.output) == (0, f"default/photos: space {candidate} is approved\n")
    assert commands.cache.metadata.annotations == {APPROVED: candidate}
    assert "approved already" in commands.run("approve", "photos").output


@pytest.mark.parametrize("phase", ["Steady", "Preparing", "Halted"])
def test_approve_refuses_where_nothing_waits_for_it(phase: str) -> None:
    commands = Commands()
    commands.roll_out(phase, message="as it is")
    result = commands.run("approve", "photos")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: default/photos: nothing waits for an approval, the rollout is {phase} (as it is)\n"
    )
    assert APPROVED not in commands.cache.metadata.annotations


def test_approve_refuses_for_a_cache_that_has_no_status_yet() -> None:
    commands = Commands()
    del commands.body["status"]
    result = commands.run("approve", "photos")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)


def test_pause_and_resume_set_one_field_and_leave_the_rest_of_the_rollout() -> None:
    commands = Commands()
    commands.edit({"spec": {"rollout": {"parallelism": 7}}})
    assert commands.run("pause", "photos").exit_code == 0
    assert commands.body["spec"]["rollout"] == {"parallelism": 7, "paused": True}
    assert "is paused already" in commands.run("pause", "photos").output
    assert commands.run("resume", "photos").exit_code == 0
    assert commands.body["spec"]["rollout"] == {"parallelism": 7, "paused": False}
    again = commands.run("resume", "photos")
    assert (again.exit_code, "is not paused, and has not halted" in again.output) == (0, True)


def test_pause_leaves_a_halted_rollout_alone_which_any_change_of_the_spec_would_resume() -> None:
    commands = Commands()
    commands.roll_out("Halted", message="bad digest")
    generation = commands.cache.metadata.generation
    result = commands.run("pause", "photos")
    assert (result.exit_code, "Halted (bad digest)" in result.output) == (1, True)
    assert commands.cache.metadata.generation == generation


@pytest.mark.parametrize("ahead", [-60, 60], ids=["the-clock-here-is-ahead", "the-operators-clock-is-ahead"])
def test_resume_asks_not_before_the_rollout_halted(ahead: int) -> None:
    commands = Commands()
    halted = NOW + timedelta(seconds=ahead)
    commands.roll_out("Halted", message="Retina is away", since=halted.isoformat())
    generation = commands.cache.metadata.generation
    result = commands.run("resume", "photos")
    assert (result.exit_code, "Retina is away" in result.output) == (0, True)
    asked = datetime.fromisoformat(commands.cache.metadata.annotations[RESUMED])
    assert asked == max(NOW, halted)
    assert asked.tzinfo == UTC
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
        f"default/photos: spec.encoder is set back to efficientnet-lite0, space {space_of(OLD).id}\n"
    )
    assert commands.cache.spec.encoder == OLD


def test_rollback_leaves_no_field_of_the_encoder_that_it_leaves() -> None:
    commands = Commands()
    commands.switched("Holding")
    commands.body["spec"]["encoder"]["fetch"]["laterField"] = "5s"
    commands.body["spec"]["encoder"]["later"] = {"a": 1}
    merged = replacement(commands.body["spec"]["encoder"], record(OLD)["encoder"])
    assert (merged["later"], merged["fetch"]["laterField"]) == (None, None)
    commands.edit({"spec": {"encoder": merged}})
    assert commands.body["spec"]["encoder"] == record(OLD)["encoder"]


def test_rollback_decides_anew_when_the_cache_has_changed_since_it_was_read() -> None:
    commands = Commands()
    commands.switched("Holding")
    _conflicts(commands, 3)
    assert commands.run("rollback", "photos").exit_code == 0
    assert commands.cache.spec.encoder == OLD


def test_rollback_gives_up_in_one_line_where_it_never_comes_to_its_turn() -> None:
    commands = Commands()
    commands.switched("Holding")
    _conflicts(commands, 1000)
    result = commands.run("rollback", "photos")
    assert (result.exit_code, result.output.startswith("Error: EmbeddingCache default/photos: somebody")) == (1, True)
    assert commands.cache.spec.encoder == NEW


def test_rollback_refuses_without_a_space_to_go_back_to_and_says_what_to_do() -> None:
    commands = Commands()
    result = commands.run("rollback", "photos")
    assert result.exit_code == 1
    assert "there is no space to go back to" in result.output
    assert "embark plan FILE" in result.output
    commands.report({"spaces": {"active": record(OLD)}, "rollout": {"phase": "RollingBack", "message": "drops"}})
    assert "RollingBack (drops) already" in commands.run("rollback", "photos").output


def test_rollback_changes_nothing_where_the_spec_is_back_already() -> None:
    commands = Commands()
    commands.roll_out("Reembedding")
    commands.set_encoder(OLD)
    version = commands.body["metadata"]["resourceVersion"]
    result = commands.run("rollback", "photos")
    assert (result.exit_code, "already" in result.output) == (0, True)
    assert commands.body["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("command", ["approve", "pause", "resume", "rollback", "status", "plan"])
def test_a_cache_that_is_not_there_is_one_line(command: str) -> None:
    result = Commands().run(command, "nowhere", "-n", "else")
    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert line.startswith("Error: EmbeddingCache else/nowhere: there is none; `kubectl get embeddingcaches -n else`")


def test_the_options_that_name_a_cluster_are_handed_on() -> None:
    commands = Commands()
    commands.run("pause", "photos", "-n", "default", "--context", "c", "--kubeconfig", "/k")
    assert commands.targets == [("default", "c", "/k")]


def test_a_third_encoder_is_left_as_well() -> None:
    commands = Commands()
    commands.roll_out("Reembedding")
    commands.set_encoder(encoder_with(**THIRD_MODEL))
    assert encoder_with(**OTHER_MODEL) != encoder_with(**THIRD_MODEL)
    commands.run("rollback", "photos")
    assert commands.cache.spec.encoder == OLD


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("Forbidden", "may not patch\n"), ("NoSuchKind", "install EmbArk there first (charts/embark)\n")],
)
def test_what_the_api_server_refuses_is_one_line(reason: str, hint: str) -> None:
    commands = Commands()

    def refuse(kind: Kind, namespace: str, name: str, change: Manifest) -> None:  # noqa: ARG001 - refused unread
        raise ApiRefusedError(f"{kind.name} {namespace}/{name}", reason, "ann\nmay not patch")

    commands.caches.merge = refuse  # type: ignore[method-assign]
    result = commands.run("pause", "photos")
    assert (result.exit_code, len(result.stderr.splitlines()), result.stdout) == (1, 1, "")
    assert result.stderr.startswith("Error: EmbeddingCache default/photos: ann may not patch")
    assert result.stderr.endswith(hint)
