"""`embark lookup`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import click
import numpy as np

from embark.cli.columns import format_columns
from embark.cli.connections import DURATION, asks_server, connected
from embark.cli.files import written_whole
from embark.cli.keys import in_calls, keys_argument, keys_file_option, read_keys
from embark.cli.tables import lookup_json, lookup_rows
from embark.client import EmbArkClient, Embeddings

_SOME_MISSING = 3


@click.command(
    short_help="Look up embeddings by key.",
    help="Look up the embeddings of KEYs (-: one a line from stdin).\n\n"
    "Prints a table; norm and numbers are shown for embeddings alone, not for the OOV embedding. Ends with 0 when "
    "every key has its embedding (HIT), with 3 when at least one has not, with 1 when there is no answer, and with 2 "
    "for a wrong command line.",
)
@keys_argument
@keys_file_option
@click.option("--space", default="", metavar="ID", help="Answer from this space; default: the active one.")
@click.option("--wait", type=DURATION, default="0s", help="Wait this long for keys without an embedding yet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a key instead of the table.")
@click.option("--vectors", is_flag=True, help="With --json: with the vector, also where it is the OOV embedding.")
@click.option(
    "--npy",
    type=click.Path(path_type=Path),
    help="Write the rows of all keys to this file, as an array [keys, dimension]; OOV embeddings included.",
)
@asks_server
def lookup(
    keys: tuple[str, ...],
    keys_file: Path | None,
    space: str,
    wait: timedelta,
    *,
    as_json: bool,
    vectors: bool,
    npy: Path | None,
    server: str,
    timeout: timedelta,
) -> None:
    """Look up, print, and write the array where one is asked for."""
    raw = read_keys(keys, keys_file)
    rows = [["KEY", "STATUS", "CAUSE", "NORM", "NUMBERS"]]
    hits = 0
    with ExitStack() as stack:
        client = stack.enter_context(connected(server, timeout))
        array: np.ndarray | None = None
        part = stack.enter_context(written_whole(npy)) if npy else None
        for asked, found in _answers(client, raw, space, wait.total_seconds()):
            hits += int(found.hits.sum())
            space = found.space
            if as_json:
                click.echo("\n".join(lookup_json(raw[asked], found, vectors=vectors)))
            else:
                rows += lookup_rows(raw[asked], found)
            if part is not None:
                if array is None:
                    shape = (len(raw), found.vectors.shape[1])
                    array = np.lib.format.open_memmap(part, "w+", dtype=found.vectors.dtype, shape=shape)
                array[asked] = found.vectors
    if not as_json:
        click.echo(format_columns(rows))
        click.echo(f"space {space}: {hits} of {len(raw)} keys have their embedding")
    sys.exit(0 if hits == len(raw) else _SOME_MISSING)


def _answers(client: EmbArkClient, keys: list[bytes], space: str, wait: float) -> Iterator[tuple[slice, Embeddings]]:
    """Yield the answers call by call, all of the space that answered first."""
    if wait:
        click.echo(f"waiting up to {wait:g} s for keys that have no embedding yet", err=True)
    with in_calls(len(keys), "looking up") as calls:
        for asked in calls:
            found = client.lookup(keys[asked], space=space or None, on_miss="wait" if wait else "oov", wait=wait)
            space = found.space
            yield asked, found
