"""`embark prefetch` and `embark invalidate`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embark.cli.connections import connect, with_server_options
from embark.cli.keys import in_calls, keys_argument, keys_file_option, read_keys
from embark.cli.output import report
from embark.client import KeyStatus, Outcomes

if TYPE_CHECKING:
    from embark.causes import Cause

_ACCEPTED = {KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING, KeyStatus.NEGATIVE}
_EXIT_STATUS = "Exit status: 0 if every key was accepted, 3 if at least one was not, 1 on error."


@click.command(
    short_help="Request the fills of keys.",
    help="Request the fills of the KEYs that have no embedding yet (-: read keys from stdin, one per line).\n\n"
    + _EXIT_STATUS,
)
@keys_argument
@keys_file_option
@with_server_options
def prefetch(keys: tuple[str, ...], keys_file: Path | None) -> None:
    """Prefetch, and print the statuses of the keys."""
    raw = read_keys(keys, keys_file)
    with connect() as client:
        code = send_keys(raw, "prefetching", lambda part: client.prefetch(raw[part]), _ACCEPTED)
    sys.exit(code)


@click.command(
    short_help="Delete the embeddings of keys, and request new ones.",
    help="Delete the embeddings of the KEYs (-: read keys from stdin, one per line), and request new ones.\n\n"
    + _EXIT_STATUS,
)
@keys_argument
@keys_file_option
@with_server_options
def invalidate(keys: tuple[str, ...], keys_file: Path | None) -> None:
    """Invalidate, and print the statuses of the keys."""
    raw = read_keys(keys, keys_file)
    with connect() as client:
        code = send_keys(raw, "invalidating", lambda part: client.invalidate(raw[part]), _ACCEPTED)
    sys.exit(code)


def send_keys(keys: Sequence[bytes], label: str, send: Callable[[slice], Outcomes], accepted: set[KeyStatus]) -> int:
    """Send keys call by call, print their statuses, and return the exit status."""
    statuses: list[KeyStatus] = []
    causes: dict[int, Cause] = {}
    with in_calls(len(keys), label) as calls:
        for part in calls:
            outcomes = send(part)
            causes |= {part.start + index: cause for index, cause in outcomes.causes.items()}
            statuses += outcomes.statuses
    return report(keys, statuses, causes, accepted)
