"""`embark lookup`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import click
import numpy as np

from embark.cli.connections import DURATION, connect, with_server_options
from embark.cli.files import write_atomically
from embark.cli.keys import in_calls, keys_argument, keys_file_option, read_keys
from embark.cli.output import lookup_json, lookup_rows
from embark.cli.text import format_columns
from embark.client import EmbArkClient, Embeddings

_SOME_MISSING = 3


@click.command(
    short_help="Look up embeddings by key.",
    help="Look up the embeddings of the KEYs (-: read keys from stdin, one per line).\n\n"
    "Prints a table; norm and numbers are shown only for embeddings, not for the OOV embedding. Exit status: 0 if "
    "every key has an embedding (HIT), 3 if at least one does not, 1 on error, 2 on wrong usage.",
)
@keys_argument
@keys_file_option
@click.option("--space", default="", metavar="ID", help="Id of the space to read. Default: the active space.")
@click.option(
    "--wait", type=DURATION, default="0s", help="How long to wait for the fills of keys without an embedding."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per key instead of the table.")
@click.option("--vectors", is_flag=True, help="With --json: include the vectors, also OOV embeddings.")
@click.option(
    "--npy",
    type=click.Path(path_type=Path),
    help="Write the vectors of all keys to this file as an array [keys, dimension], including OOV embeddings.",
)
@with_server_options
def lookup(
    keys: tuple[str, ...],
    keys_file: Path | None,
    space: str,
    wait: timedelta,
    *,
    as_json: bool,
    vectors: bool,
    npy: Path | None,
) -> None:
    """Look up, print, and write the array if requested."""
    raw = read_keys(keys, keys_file)
    rows = [["KEY", "STATUS", "CAUSE", "NORM", "NUMBERS"]]
    hits = 0
    with ExitStack() as stack:
        client = stack.enter_context(connect())
        array: np.ndarray | None = None
        file = stack.enter_context(write_atomically(npy)) if npy else None
        for part, found in _look_up_in_calls(client, raw, space, wait.total_seconds()):
            hits += int(found.hits.sum())
            space = found.space
            if as_json:
                click.echo("\n".join(lookup_json(raw[part], found, vectors=vectors)))
            else:
                rows += lookup_rows(raw[part], found)
            if file is not None:
                if array is None:
                    shape = (len(raw), found.vectors.shape[1])
                    array = np.lib.format.open_memmap(file, "w+", dtype=found.vectors.dtype, shape=shape)
                array[part] = found.vectors
    if not as_json:
        click.echo(format_columns(rows))
        click.echo(f"space {space}: {hits} of {len(raw)} keys have an embedding")
    sys.exit(0 if hits == len(raw) else _SOME_MISSING)


def _look_up_in_calls(
    client: EmbArkClient, keys: list[bytes], space: str, wait: float
) -> Iterator[tuple[slice, Embeddings]]:
    """Yield the results call by call, all of the space that answered first."""
    if wait:
        click.echo(f"waiting up to {wait:g} s for keys without an embedding", err=True)
    with in_calls(len(keys), "looking up") as calls:
        for part in calls:
            found = client.lookup(keys[part], space=space or None, on_miss="wait" if wait else "oov", wait=wait)
            space = found.space
            yield part, found
