import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from embark.cli.main import GROUP, build_cli
from embark_testing.embark.dict_embark import DictEmbArk

Run = Callable[..., Result]
SAMPLES = Path(__file__).parents[3] / "samples"


def cli_with(*points: EntryPoint) -> click.Group:
    return build_cli(added=lambda: points)


def test_commands_of_other_packages_are_added() -> None:
    # Any click command of an importable module works; this one is validate under another name.
    cli = cli_with(EntryPoint("check", "embark.cli.validate:validate", GROUP))
    result = CliRunner().invoke(cli, ["check", str(SAMPLES / "photos.yaml")])
    assert (result.exit_code, result.output.count(": ok")) == (0, 1)
    assert "check" in CliRunner().invoke(cli, ["--help"]).output


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:command", "No module named"),
        ("embark.names:nothing", "nothing"),
        ("embark.names:cache_name", "click"),
    ],
)
def test_a_broken_command_is_reported_and_breaks_no_other(value: str, reason: str) -> None:
    cli = cli_with(EntryPoint("broken", value, GROUP))
    result = CliRunner().invoke(cli, ["broken", "--anything", "at", "all"])
    assert result.exit_code == 1
    assert "the command broken of" in result.stderr
    assert reason in result.stderr
    listed = CliRunner().invoke(cli, ["--help"])
    assert listed.exit_code == 0
    assert "broken" in listed.output
    assert CliRunner().invoke(cli, ["validate", str(SAMPLES / "photos.yaml")]).exit_code == 0


def test_a_command_is_loaded_only_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr(EntryPoint, "load", lambda self: loaded.append(self.name))
    cli = cli_with(EntryPoint("heavy", "embark.cli.validate:validate", GROUP))
    CliRunner().invoke(cli, ["validate", str(SAMPLES / "photos.yaml")])
    assert loaded == []
    CliRunner().invoke(cli, ["heavy"])
    assert loaded == ["heavy"]


def test_no_package_can_replace_a_built_in_command() -> None:
    cli = cli_with(EntryPoint("validate", "no_such_module:command", GROUP))
    assert CliRunner().invoke(cli, ["validate", str(SAMPLES / "photos.yaml")]).exit_code == 0


def test_every_command_and_option_has_a_help_text() -> None:
    cli = build_cli(added=list)
    own = {"describe", "export", "invalidate", "lookup", "prefetch", "put", "similar", "validate"}
    rollout = {"approve", "pause", "plan", "resume", "rollback", "status"}
    assert cli.commands.keys() == own | rollout
    undocumented = [
        f"{command.name} {option.name}"
        for command in cli.commands.values()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert undocumented == []
    assert all(command.help and command.short_help for command in cli.commands.values())


def test_the_installed_command_answers_with_its_exit_statuses(target: str, server: DictEmbArk) -> None:
    def embark(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = [str(Path(sys.executable).parent / "embark"), *arguments]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    found = embark("lookup", "k0", b"\xff".decode(errors="surrogateescape"), "--server", target)
    assert (found.returncode, found.stderr) == (3, b"")
    assert b"k0    HIT" in found.stdout
    assert list(server.received("Lookup")[0].keys) == [b"k0", b"\xff"]
    lost = embark("describe", "--server", "127.0.0.1:1", "--timeout", "2s")
    assert lost.returncode == 1
    assert lost.stderr.startswith(b"Error: 127.0.0.1:1: ")
    assert b"Traceback" not in lost.stderr
