"""How much a command handles at a time."""

from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class CliLimits:
    """How much a command handles at a time; the `obj` of a click context replaces the defaults."""

    keys_per_call: int = 4096
    """Keys of one method call of the client: enough for requests in parallel, few enough to show progress."""
    row_group_bytes: int = 32 * 1024 * 1024
    """Size of a row group of a Parquet file: readers load row groups whole."""


def current_limits() -> CliLimits:
    """Return the limits of the running command."""
    return click.get_current_context().find_object(CliLimits) or CliLimits()
