"""`kubectl-embark`, which kubectl runs as `kubectl embark`."""

from typing import Final

import click

from embark_operator.cli.plan import plan
from embark_operator.cli.rollouts import approve, pause, resume, rollback
from embark_operator.cli.status import status

COMMANDS: Final = (plan, approve, pause, resume, rollback, status)


def build_plugin() -> click.Group:
    """Return the whole command line of the plugin."""
    return click.Group(
        name="kubectl-embark",
        help="Plan, steer and watch the re-embedding of EmbeddingCaches.",
        commands={command.name: command for command in COMMANDS if command.name},
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main() -> None:
    """Run the command line."""
    build_plugin()(prog_name="kubectl embark")
