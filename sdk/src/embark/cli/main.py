"""The command `embark`, with its own commands and those of other packages."""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, Final

import click

from embark.cli.describe import describe
from embark.cli.export import export
from embark.cli.fills import invalidate, prefetch
from embark.cli.lookup import lookup
from embark.cli.put import put
from embark.cli.rollout.commands import ROLLOUT_COMMANDS
from embark.cli.similar import similar
from embark.cli.validate import validate

GROUP: Final = "embark.commands"
"""Entry points of the commands that other packages add."""


def installed_commands() -> Iterable[EntryPoint]:
    """Return the commands of installed packages."""
    return entry_points(group=GROUP)


class PluginGroup(click.Group):
    """A group that loads the commands of other packages on demand, so that a broken one does not affect the others."""

    def __init__(self, added: Callable[[], Iterable[EntryPoint]], **group: Any) -> None:
        super().__init__(**group)
        self._added = added

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *(point.name for point in self._added())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this package, or else of another package, with that name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for point in self._added():
            if point.name == cmd_name:
                return _load(point)
        return None


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except Exception as error:  # noqa: BLE001 - an import may raise anything, and is reported
        return _broken(point, f"{type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return _broken(point, f"{point.value} is not a click command")
    return command


def _broken(point: EntryPoint, reason: str) -> click.Command:
    package = point.dist.name if point.dist else point.value

    def fail() -> None:
        raise click.ClickException(
            f"the command {point.name} of {package} cannot be loaded: {reason}; reinstall {package}"
        )

    return click.Command(
        point.name,
        callback=fail,
        short_help=f"(cannot be loaded: {reason})",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


def build_cli(added: Callable[[], Iterable[EntryPoint]] = installed_commands) -> click.Group:
    """Return the whole command line."""
    commands = (describe, export, invalidate, lookup, prefetch, put, similar, validate, *ROLLOUT_COMMANDS)
    group = PluginGroup(
        added,
        name="embark",
        help="EmbArk, the embedding cache: look up, fill, inspect and export embeddings.",
        commands={command.name: command for command in commands},
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(version("embark"), prog_name="embark")(group)


def main() -> None:
    """Run the command line."""
    build_cli()(prog_name="embark")
