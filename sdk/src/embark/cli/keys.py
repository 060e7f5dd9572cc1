"""The keys of a command: read from arguments, stdin and files, and shown on a terminal."""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import click

from embark.cli.limits import current_limits

_MAX_SHOWN: Final = 60

keys_argument = click.argument("keys", nargs=-1, metavar="[KEY...]")
keys_file_option = click.option(
    "--keys-file",
    type=click.Path(path_type=Path),
    help="Read keys from this file, one per line; empty lines are skipped.",
)


def read_keys(arguments: Sequence[str], keys_file: Path | None) -> list[bytes]:
    """Return the keys of the arguments (`-`: read from stdin, one per line), then those of the file.

    Raises:
        click.ClickException: the file cannot be read, or no key was given.
    """
    keys: list[bytes] = []
    for argument in arguments:
        keys += _lines(sys.stdin.buffer.read()) if argument == "-" else [os.fsencode(argument)]
    if keys_file is not None:
        keys += read_keys_file(keys_file)
    if not keys:
        raise click.ClickException("no keys: pass KEYs, - to read them from stdin, or --keys-file")
    return keys


def read_keys_file(path: Path) -> list[bytes]:
    """Return the keys in a file, or on stdin for `-`.

    Raises:
        click.ClickException: the file cannot be read.
    """
    if str(path) == "-":
        return _lines(sys.stdin.buffer.read())
    try:
        return _lines(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None


def show_key(key: bytes | str) -> str:
    """Return the key as a terminal can show it: escaped and shortened."""
    text = key if isinstance(key, str) else key.decode(errors="backslashreplace")
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return printable if len(printable) <= _MAX_SHOWN else f"{printable[: _MAX_SHOWN - 1]}…"


def in_calls(count: int, label: str) -> AbstractContextManager[Any]:
    """Return slices of `count` keys, one per call, with a progress bar on a terminal if there are several."""
    size = current_limits().keys_per_call
    slices = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    return progress(slices, label, hidden=len(slices) < 2)  # noqa: PLR2004 - a single call has no progress


def progress(items: Any, label: str, *, length: int | None = None, hidden: bool = False) -> AbstractContextManager[Any]:
    """Return a progress bar, shown on stderr if that is a terminal."""
    hidden = hidden or not sys.stderr.isatty()
    return click.progressbar(items, length=length, label=label, file=sys.stderr, hidden=hidden)


def _lines(content: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in content.split(b"\n") if line.removesuffix(b"\r")]
