"""`embark put`."""

import sys
from datetime import timedelta
from pathlib import Path

import click
import numpy as np

from embark.cli.connections import asks_server, connected
from embark.cli.fills import send_keys
from embark.cli.keys import read_keys_file
from embark.client import KeyStatus


@click.command(
    short_help="Write embeddings that you computed.",
    help="Write the rows of an array as the embeddings of the keys of a file, in the space they are of.\n\n"
    "Ends with 0 when every row was written, with 3 when at least one was not, and with 1 when there is no answer.",
)
@click.option("--space", required=True, metavar="ID", help="The space that the rows are of.")
@click.option("--npy", required=True, type=click.Path(path_type=Path), help="The array, [keys, dimension].")
@click.option("--keys-file", required=True, type=click.Path(path_type=Path), help="The keys, one a line.")
@asks_server
def put(space: str, npy: Path, keys_file: Path, server: str, timeout: timedelta) -> None:
    """Write, and print what became of the keys."""
    keys = read_keys_file(keys_file)
    vectors = _read_array(npy)
    if vectors.ndim != 2 or len(vectors) != len(keys):  # noqa: PLR2004 - [keys, dimension]
        raise click.ClickException(
            f"{npy} has shape {vectors.shape} and {keys_file} has {len(keys)} keys; one row for every key is needed"
        )
    with connected(server, timeout) as client:
        code = send_keys(keys, "writing", lambda part: client.put(space, keys[part], vectors[part]), {KeyStatus.HIT})
    sys.exit(code)


def _read_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise click.ClickException(f"{path}: not an array that numpy.save wrote ({error})") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise click.ClickException(f"{path}: several arrays (.npz); one array as numpy.save writes it is needed")
    return array
