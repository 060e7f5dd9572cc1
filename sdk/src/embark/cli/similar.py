"""`embark similar`."""

import os
import sys
from datetime import timedelta

import click

from embark.cli.columns import format_columns
from embark.cli.connections import asks_server, connected
from embark.cli.tables import neighbours_json, neighbours_rows, report
from embark.client import KeyStatus


@click.command(
    short_help="Find the keys that are most like a key.",
    help="Find the keys whose embeddings are nearest to that of KEY, in a cache with vectorSearch.\n\n"
    "Prints them nearest first, with the cosine of the angle to KEY's embedding: 1 for the same direction. Ends with 0 "
    "when KEY has its embedding, with 3 when it has not (yet), and with 1 when there is no answer.",
)
@click.argument("key")
@click.option("-k", "count", type=int, default=10, show_default=True, help="How many to find; at most 100.")
@click.option("--space", default="", metavar="ID", help="Search this space; default: the active one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@asks_server
def similar(key: str, count: int, space: str, *, as_json: bool, server: str, timeout: timedelta) -> None:
    """Search, and print the neighbours or why there are none."""
    raw = os.fsencode(key)
    with connected(server, timeout) as client:
        found = client.similar(raw, count, space=space or None)
    status = found.status or KeyStatus.UNKNOWN
    if as_json:
        click.echo(neighbours_json(raw, found))
        sys.exit(0 if status is KeyStatus.HIT else 3)
    if status is not KeyStatus.HIT:
        sys.exit(report([raw], [status], {0: found.cause} if found.cause else {}, {KeyStatus.HIT}))
    click.echo(format_columns(neighbours_rows(found)))
    click.echo(f"space {found.space}: {len(found)} neighbours")
