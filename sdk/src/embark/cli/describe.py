"""`embark describe`."""

import json

import click

from embark.cli.connections import connect, with_server_options
from embark.cli.text import format_columns


@click.command(
    short_help="Describe a space.", help="Describe a space: its model, its vectors, and how many embeddings it holds."
)
@click.option("--space", default="", metavar="ID", help="Id of the space. Default: the active space.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_server_options
def describe(space: str, *, as_json: bool) -> None:
    """Describe a space."""
    with connect() as client:
        found = client.describe(space or None)
    fields: dict[str, str | int] = {
        "space": found.space,
        "model digest": found.model_digest,
        "modality": found.modality,
        "preprocessing": found.preprocessing,
        "role": found.role,
        "output tensor": found.output_tensor,
        "dimension": found.dimension,
        "dtype": found.form.dtype.value,
        "normalization": found.normalization,
        "OOV embedding": "not zeros" if found.oov_vector.any() else "zeros",
        "entries": found.entries,
        "keys per request": found.max_keys_per_request,
    }
    if as_json:
        click.echo(json.dumps({name.replace(" ", "_").lower(): value for name, value in fields.items()}))
    else:
        click.echo(format_columns([[name, str(value) or "-"] for name, value in fields.items()]))
