"""`embark validate`."""

import sys
from pathlib import Path

import click

from embark.manifest import find_faults, parse_manifest
from embark.names import cache_name
from embark.space import Space


@click.command(
    short_help="Validate manifests without a cluster.",
    help="Check EmbeddingCache manifests as a cluster would, and print every error with its field.\n\n"
    "Exit status: 0 if all of them are valid, else 1.",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def validate(files: tuple[Path, ...]) -> None:
    """Print `FILE: field: message` for every error, `FILE: ok, ...` for a valid manifest."""
    invalid = False
    for file in files:
        lines = _find_errors(file)
        invalid |= bool(lines)
        for line in lines or [_describe_valid(file)]:
            click.echo(f"{file}: {line}")
    sys.exit(1 if invalid else 0)


def _find_errors(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        return [f"(file): {error.strerror or error}"]
    except UnicodeDecodeError as error:
        return [f"(file): not UTF-8 from byte {error.start} on"]
    return [str(fault) for fault in find_faults(text)]


def _describe_valid(file: Path) -> str:
    cache = parse_manifest(file.read_text(encoding="utf-8"))
    return f"ok, cache {cache_name(cache)}, space {Space.from_encoder(cache.spec.encoder).id}"
