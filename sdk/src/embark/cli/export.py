"""`embark export`."""

from datetime import timedelta
from pathlib import Path

import click

from embark.cli.connections import asks_server, connected
from embark.cli.files import written_whole
from embark.cli.keys import progress


@click.command(
    short_help="Write all embeddings of a space to a Parquet file.",
    help="Write every embedding of a space to a Parquet file of two columns, key and vector; its schema's metadata "
    "says which space it is. Negatives are not in it. The file appears under its name when it is whole.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE.parquet")
@click.option("--space", default="", metavar="ID", help="Default: the active space.")
@asks_server
def export(output: Path, space: str, server: str, timeout: timedelta) -> None:
    """Export a space."""
    # pyarrow takes long to import, and only this command needs it.
    from embark.cli.parquet import ParquetRows  # noqa: PLC0415

    with connected(server, timeout) as client:
        description = client.describe(space or None)
        with (
            written_whole(output) as part,
            ParquetRows(part, description) as rows,
            progress(None, "exporting", length=max(1, description.entries)) as bar,
        ):
            for keys, vectors in client.export(description.space):
                rows.append(keys, vectors)
                bar.update(len(keys))
    click.echo(f"{output}: {rows.count} embeddings of space {description.space}")
