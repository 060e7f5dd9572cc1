"""`embark similar`."""

import os
import sys

import click

from embark.cli.connections import connect, with_server_options
from embark.cli.output import neighbours_json, neighbours_rows, report
from embark.cli.text import format_columns
from embark.client import KeyStatus


@click.command(
    short_help="Find the keys most similar to a key.",
    help="Find the keys whose embeddings are nearest to the embedding of KEY. The cache needs vectorSearch.\n\n"
    "Prints the keys, nearest first, with the cosine of the angle between the embeddings: 1 is the same direction. "
    "Exit status: 0 if KEY has an embedding, 3 if it does not (yet), 1 on error.",
)
@click.argument("key")
@click.option("-k", "count", type=int, default=10, show_default=True, help="Number of keys to find, at most 100.")
@click.option("--space", default="", metavar="ID", help="Id of the space to search. Default: the active space.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@with_server_options
def similar(key: str, count: int, space: str, *, as_json: bool) -> None:
    """Search, and print the neighbours or the reason why there are none."""
    raw = os.fsencode(key)
    with connect() as client:
        found = client.similar(raw, count, space=space or None)
    status = found.status or KeyStatus.UNKNOWN
    if as_json:
        click.echo(neighbours_json(raw, found))
        sys.exit(0 if status is KeyStatus.HIT else 3)
    if status is not KeyStatus.HIT:
        sys.exit(report([raw], [status], {0: found.cause} if found.cause else {}, {KeyStatus.HIT}))
    click.echo(format_columns(neighbours_rows(found)))
    click.echo(f"space {found.space}: {len(found)} neighbours")
