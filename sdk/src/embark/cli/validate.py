"""`embark validate`."""

import sys
from pathlib import Path

import click

from embark.manifest import find_faults, parse_manifest
from embark.names import cache_name
from embark.space import space_of


@click.command(
    short_help="Check manifests without a cluster.",
    help="Check EmbeddingCache manifests as a cluster would, and print every fault by its field.\n\n"
    "Ends with 0 when all of them are good, else with 1.",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def validate(files: tuple[Path, ...]) -> None:
    """Print `FILE: field: message` for every fault, `FILE: ok, ...` for a good manifest."""
    faulty = False
    for file in files:
        lines = _faults(file)
        faulty |= bool(lines)
        for line in lines or [_praise(file)]:
            click.echo(f"{file}: {line}")
    sys.exit(1 if faulty else 0)


def _faults(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        return [f"(file): {error.strerror or error}"]
    except UnicodeDecodeError as error:
        return [f"(file): not UTF-8 from byte {error.start} on"]
    return [str(fault) for fault in find_faults(text)]


def _praise(file: Path) -> str:
    cache = parse_manifest(file.read_text(encoding="utf-8"))
    return f"ok, cache {cache_name(cache)}, space {space_of(cache.spec.encoder).id}"
