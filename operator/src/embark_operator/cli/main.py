"""`kubectl-embark`, which kubectl runs as `kubectl embark`."""

import click

from embark.cli.rollout.commands import ROLLOUT_COMMANDS


def build_plugin() -> click.Group:
    """Return the command line of the plugin."""
    return click.Group(
        name="kubectl-embark",
        help="Plan, control and watch the rollouts of EmbeddingCaches.",
        commands={command.name: command for command in ROLLOUT_COMMANDS if command.name},
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main() -> None:
    """Run the command line."""
    build_plugin()(prog_name="kubectl embark")
