"""`embark export`."""

from pathlib import Path

import click

from embark.cli.connections import connect, with_server_options
from embark.cli.files import write_atomically
from embark.cli.keys import progress
from embark.cli.limits import current_limits


@click.command(
    short_help="Export all embeddings of a space to a Parquet file.",
    help="Export every embedding of a space to a Parquet file with the columns key and vector; the metadata of its "
    "schema describes the space. Keys without an embedding are left out. The file is written atomically.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE.parquet", help="File to write."
)
@click.option("--space", default="", metavar="ID", help="Id of the space. Default: the active space.")
@with_server_options
def export(output: Path, space: str) -> None:
    """Export a space."""
    # pyarrow is slow to import, and only this command needs it.
    from embark.cli.parquet import ParquetRows  # noqa: PLC0415

    with connect() as client:
        description = client.describe(space or None)
        with (
            write_atomically(output) as part,
            ParquetRows(part, description, current_limits().row_group_bytes) as rows,
            progress(None, "exporting", length=max(1, description.entries)) as bar,
        ):
            for keys, vectors in client.export(description.space):
                rows.append(keys, vectors)
                bar.update(len(keys))
    click.echo(f"{output}: {rows.count} embeddings of space {description.space}")
