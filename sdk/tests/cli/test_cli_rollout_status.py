import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from embark.cli.rollout.progress import ReembeddingRate
from embark.cli.rollout.screens import TerminalScreen
from embark.cli.rollout.status_lines import format_status
from embark.errors import UnavailableError
from embark.names import RESUMED
from embark.resources import CacheRef, ResourceBody
from embark.space import Space
from embark_testing.worlds.rollout_commands import NEW, OLD, Commands, record

OLD_ID, NEW_ID = Space.from_encoder(OLD).id, Space.from_encoder(NEW).id


def _then(commands: Commands, *events: Callable[[], None]) -> None:
    """Let one event happen in each wait of the command; a further wait fails."""
    left = iter(events)

    def next_one() -> None:
        event = next(left, None)
        assert event is not None, "the command waits for a change that never comes"
        commands.now += timedelta(seconds=2)
        event()

    commands.while_waiting = next_one


def _counts(commands: Commands, done: int, **rollout: Any) -> Callable[[], None]:
    return lambda: commands.roll_out("Reembedding", total=100, done=done, **rollout)


def test_a_status_shows_phase_spaces_and_progress() -> None:
    commands = Commands()
    times = {"since": "2026-01-01T11:58:20Z"}
    commands.roll_out("Reembedding", message="as\nplanned", total=1000, done=240, failed=10, **times)
    result = commands.run("status", "photos")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "default/photos: Reembedding for 1m40s",
            "  as planned",
            f"  active     {OLD_ID}  efficientnet-lite0, 1280",
            f"  candidate  {NEW_ID}  other, 512                coverage 25.00%",
            f"  [{'#' * 12}{'-' * 38}] 25.0%",
            "  250 of 1,000 keys, 10 failed, 2.5 keys/s, ETA 5m0s",
        ],
    )


def test_a_status_shows_how_long_spaces_are_served_and_kept() -> None:
    commands = Commands()
    assert f"active  {OLD_ID}  efficientnet-lite0, 1280  for 3h0m" in commands.run("status", "photos").output
    commands.switched("Holding")
    shown = commands.run("status", "photos").output
    assert "kept until 2026-01-04 12:00:00 UTC, 3d0h left" in shown


def test_a_new_cache_has_a_status() -> None:
    commands = Commands()
    del commands.body["status"]
    result = commands.run("status", "photos")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "default/photos: Steady",
            "  the last change of the spec has not been picked up yet",
            "  no space is served yet",
        ],
    )


def test_json_has_the_status_and_the_rate_but_no_encoders() -> None:
    commands = Commands()
    commands.roll_out("Reembedding", total=1000, done=250, since="2026-01-01T11:58:20Z")
    shown = json.loads(commands.run("status", "photos", "-o", "json").output)
    assert (shown["namespace"], shown["name"], shown["paused"]) == ("default", "photos", False)
    assert (shown["rollout"]["phase"], shown["rollout"]["done"]) == ("Reembedding", 250)
    assert shown["spaces"]["candidate"] == {"id": NEW_ID, "source": OLD_ID, "coverage": "0.25"}
    assert (shown["keysPerSecond"], shown["etaSeconds"]) == (2.5, 300.0)


def test_a_watch_prints_a_line_for_every_change_and_exits_with_0_when_the_previous_space_is_held() -> None:
    commands = Commands()
    commands.roll_out("Preparing")
    _then(
        commands,
        lambda: None,
        _counts(commands, 10),
        _counts(commands, 10),
        _counts(commands, 50),
        lambda: commands.switched("Holding"),
    )
    result = commands.run("status", "photos", "--watch")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "default/photos: Preparing",
        "default/photos: Reembedding",
        "default/photos: Reembedding",
        "default/photos: Holding",
    ]
    assert "50 of 100 keys, 0 failed, 10.0 keys/s, ETA 5s" in lines[2]


def test_a_watch_in_json_prints_one_object_per_change() -> None:
    commands = Commands()
    commands.roll_out("Preparing")
    _then(commands, lambda: None, lambda: commands.switched("Holding"))
    lines = commands.run("status", "photos", "--watch", "-o", "json").output.splitlines()
    assert [json.loads(line)["rollout"]["phase"] for line in lines] == ["Preparing", "Holding"]


def test_a_watch_exits_with_0_if_no_rollout_is_in_progress() -> None:
    assert Commands().run("status", "photos", "--watch").exit_code == 0


def test_a_watch_exits_with_1_and_the_reason_when_the_rollout_halts() -> None:
    commands = Commands()
    commands.roll_out("Verifying")
    _then(commands, lambda: commands.roll_out("Halted", message="5 of 100 keys could not be encoded"))
    result = commands.run("status", "photos", "--watch")
    assert result.exit_code == 1
    assert result.stderr == "Error: EmbeddingCache default/photos: 5 of 100 keys could not be encoded\n"


def test_a_watch_waits_until_an_edit_of_the_spec_is_observed() -> None:
    commands = Commands()
    commands.set_encoder(NEW)
    _then(commands, lambda: commands.roll_out("Preparing"), lambda: commands.switched("Holding"))
    result = commands.run("status", "photos", "--watch")
    assert (result.exit_code, "Preparing" in result.output) == (0, True)
    assert "the last change of the spec has not been picked up" in result.output.splitlines()[0]


def test_a_watch_waits_until_the_resumption_of_a_halted_rollout_is_observed() -> None:
    commands = Commands()
    commands.roll_out("Halted", message="Retina is away", since="2026-01-01T11:00:00Z")
    commands.edit({"metadata": {"annotations": {RESUMED: "2026-01-01T11:30:00Z"}}})
    _then(commands, lambda: commands.switched("Holding"))
    assert commands.run("status", "photos", "--watch").exit_code == 0


@pytest.mark.parametrize("resumed", ["2026-01-01T10:30:00Z", "2026-01-01T11:30:00", "yesterday"])
def test_a_watch_ends_if_the_rollout_has_halted_since_it_was_resumed(resumed: str) -> None:
    commands = Commands()
    commands.roll_out("Halted", message="Retina is away", since="2026-01-01T11:00:00Z")
    commands.edit({"metadata": {"annotations": {RESUMED: resumed}}})
    result = commands.run("status", "photos", "--watch")
    assert (result.exit_code, result.stderr) == (1, "Error: EmbeddingCache default/photos: Retina is away\n")


def test_a_watch_exits_with_1_if_the_spec_is_not_accepted() -> None:
    commands = Commands()
    commands.roll_out("Reembedding", total=10)
    accepted = {"type": "Accepted", "status": "False", "reason": "InvalidSpec", "message": "spec.mesh: not built"}
    status = commands.body["status"] | {"conditions": [accepted | {"lastTransitionTime": "2026-01-01T11:00:00Z"}]}
    commands.report(status)
    result = commands.run("status", "photos", "--watch")
    assert (result.exit_code, "the spec is not accepted: spec.mesh: not built" in result.stderr) == (1, True)


def _unavailable(commands: Commands, when: Iterator[bool]) -> None:
    read = commands.caches.read

    def failing(ref: CacheRef) -> ResourceBody | None:
        if next(when):
            raise UnavailableError("kubernetes", "refused\nby the host")
        return read(ref)

    commands.caches.read = failing  # type: ignore[method-assign]


def test_a_watch_survives_an_outage_of_the_api_server_and_reports_it_once() -> None:
    commands = Commands()
    commands.roll_out("Preparing")
    _unavailable(commands, iter([False, True, True, False]))
    _then(commands, lambda: None, lambda: None, lambda: commands.switched("Holding"))
    result = commands.run("status", "photos", "--watch")
    assert result.exit_code == 0
    assert result.stderr == "status not available: kubernetes: refused by the host; retrying\n"
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("options", [[], ["--watch"]])
def test_an_unavailable_api_server_is_reported_in_one_line(options: list[str]) -> None:
    commands = Commands()
    _unavailable(commands, iter([True]))
    result = commands.run("status", "photos", *options)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: kubernetes: refused by the host; --context and --kubeconfig select another cluster, "
        "--data the folder of an `embark local`\n"
    )


def test_a_paused_rollout_has_neither_rate_nor_eta() -> None:
    commands = Commands()
    commands.roll_out("Reembedding", total=1000, done=250, since="2026-01-01T11:58:20Z")
    commands.edit({"spec": {"rollout": {"paused": True}}})
    commands.report(commands.body["status"] | {"observedGeneration": commands.cache.metadata.generation})
    shown = commands.run("status", "photos").output
    assert "spec.rollout.paused is true" in shown
    assert ("keys/s" in shown, "ETA" in shown) == (False, False)
    document = json.loads(commands.run("status", "photos", "-o", "json").output)
    assert (document["paused"], document["keysPerSecond"], document["etaSeconds"]) == (True, None, None)


def test_a_terminal_is_redrawn_at_its_last_height_and_wraps_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "40")
    commands = Commands()
    commands.switched("Holding", message="m" * 50)
    screen = TerminalScreen()
    screen.show(commands.cache, ReembeddingRate(), commands.now)
    screen.show_problem("no answer")
    _, first, second = capsys.readouterr().out.split("\x1b[J")
    drawn, _, up = first.rpartition("\n")
    assert up == f"\x1b[{len(drawn.splitlines())}F"
    assert all(len(line) < 20 for line in (*drawn.splitlines(), *second.splitlines()))
    text = "".join(format_status(commands.cache, ReembeddingRate(), commands.now))
    assert drawn.count("m") == text.count("m")
    assert second.splitlines() == [*drawn.splitlines(), "  no answer"]


def test_a_small_terminal_shows_what_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "3")
    commands = Commands()
    commands.switched("Holding")
    TerminalScreen().show(commands.cache, ReembeddingRate(), commands.now)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_counts_above_the_total_do_not_break_the_bar() -> None:
    commands = Commands()
    commands.roll_out("Verifying", total=10, done=15)
    assert f"[{'#' * 50}] 100.0%\n  15 of 10 keys" in commands.run("status", "photos").output


def test_a_space_being_deleted_is_shown() -> None:
    commands = Commands()
    spaces = {"active": record(OLD), "dropped": record(NEW, released=True)}
    commands.report({"observedGeneration": 1, "spaces": spaces, "rollout": {"phase": "RollingBack"}})
    assert "its data is being deleted" in commands.run("status", "photos").output
