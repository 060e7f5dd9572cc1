"""`embark prefetch` and `embark invalidate`."""

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embark.cli.connections import asks_server, connected
from embark.cli.keys import in_calls, keys_argument, keys_file_option, read_keys
from embark.cli.tables import report
from embark.client import KeyStatus, Outcomes

if TYPE_CHECKING:
    from embark.causes import Cause

_ASKED = {KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING, KeyStatus.NEGATIVE}
_CODES = "Ends with 0 when every key was taken, with 3 when at least one was not, and with 1 when there is no answer."


@click.command(
    short_help="Ask for the fill of keys.",
    help=f"Ask for the fill of the KEYs (-: one a line from stdin) that have no embedding yet.\n\n{_CODES}",
)
@keys_argument
@keys_file_option
@asks_server
def prefetch(keys: tuple[str, ...], keys_file: Path | None, server: str, timeout: timedelta) -> None:
    """Prefetch, and print what became of the keys."""
    raw = read_keys(keys, keys_file)
    with connected(server, timeout) as client:
        code = send_keys(raw, "prefetching", lambda part: client.prefetch(raw[part]), _ASKED)
    sys.exit(code)


@click.command(
    short_help="Delete the embeddings of keys and ask for new ones.",
    help=f"Delete the rows of the KEYs (-: one a line from stdin), and ask for new ones.\n\n{_CODES}",
)
@keys_argument
@keys_file_option
@asks_server
def invalidate(keys: tuple[str, ...], keys_file: Path | None, server: str, timeout: timedelta) -> None:
    """Invalidate, and print what became of the keys."""
    raw = read_keys(keys, keys_file)
    with connected(server, timeout) as client:
        code = send_keys(raw, "invalidating", lambda part: client.invalidate(raw[part]), _ASKED)
    sys.exit(code)


def send_keys(keys: Sequence[bytes], label: str, send: Callable[[slice], Outcomes], taken: set[KeyStatus]) -> int:
    """Send keys call by call, print what became of them, and return the exit code."""
    statuses: list[KeyStatus] = []
    causes: dict[int, Cause] = {}
    with in_calls(len(keys), label) as calls:
        for part in calls:
            outcomes = send(part)
            causes |= {part.start + index: cause for index, cause in outcomes.causes.items()}
            statuses += outcomes.statuses
    return report(keys, statuses, causes, taken)
