"""`embark put`."""

import sys
from pathlib import Path

import click
import numpy as np

from embark.cli.connections import connect, with_server_options
from embark.cli.fills import send_keys
from embark.cli.keys import read_keys_file
from embark.client import KeyStatus


@click.command(
    short_help="Write embeddings that you have computed.",
    help="Write the rows of an array as the embeddings of the keys in a file.\n\n"
    "Exit status: 0 if every row was written, 3 if at least one was not, 1 on error.",
)
@click.option("--space", required=True, metavar="ID", help="Id of the space that the embeddings are of.")
@click.option(
    "--npy",
    required=True,
    type=click.Path(path_type=Path),
    help="File of the array [keys, dimension], written by numpy.save.",
)
@click.option("--keys-file", required=True, type=click.Path(path_type=Path), help="File of the keys, one per line.")
@with_server_options
def put(space: str, npy: Path, keys_file: Path) -> None:
    """Write, and print the statuses of the keys."""
    keys = read_keys_file(keys_file)
    vectors = _read_array(npy)
    if vectors.ndim != 2 or len(vectors) != len(keys):  # noqa: PLR2004 - [keys, dimension]
        raise click.ClickException(
            f"{npy} has shape {vectors.shape} and {keys_file} has {len(keys)} keys; the array must have one row per key"
        )
    with connect() as client:
        code = send_keys(keys, "writing", lambda part: client.put(space, keys[part], vectors[part]), {KeyStatus.HIT})
    sys.exit(code)


def _read_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise click.ClickException(f"{path}: not an array written by numpy.save ({error})") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise click.ClickException(f"{path}: several arrays (.npz); write one array with numpy.save")
    return array
