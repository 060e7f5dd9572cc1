"""The keys of a command: from its arguments, from a file, from stdin; and how they are shown."""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import click

from embark.cli.connections import CALL_KEYS

_SHOWN: Final = 60

keys_argument = click.argument("keys", nargs=-1, metavar="[KEY...]")
keys_file_option = click.option(
    "--keys-file",
    type=click.Path(path_type=Path),
    help="Read keys from this file, one a line; empty lines are skipped.",
)


def read_keys(arguments: Sequence[str], keys_file: Path | None) -> list[bytes]:
    """Return the keys of the arguments (`-`: one a line from stdin), then those of the file.

    Raises:
        click.ClickException: the file cannot be read, or there is no key at all.
    """
    keys: list[bytes] = []
    for argument in arguments:
        keys += _lines(sys.stdin.buffer.read()) if argument == "-" else [os.fsencode(argument)]
    if keys_file is not None:
        keys += read_keys_file(keys_file)
    if not keys:
        raise click.ClickException("no keys: give KEYs, - to read them from stdin, or --keys-file")
    return keys


def read_keys_file(path: Path) -> list[bytes]:
    """Return the keys of a file; `-` is stdin.

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
    """Return the key as a terminal may show it: nothing unprintable, and not too long."""
    text = key if isinstance(key, str) else key.decode(errors="backslashreplace")
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return printable if len(printable) <= _SHOWN else f"{printable[: _SHOWN - 1]}…"


def in_calls(count: int, label: str) -> AbstractContextManager[Any]:
    """Return slices of `count` keys, one for each call, with a progress bar on a terminal when there are several."""
    slices = [slice(start, min(start + CALL_KEYS, count)) for start in range(0, count, CALL_KEYS)]
    return progress(slices, label, hidden=len(slices) < 2)  # noqa: PLR2004 - one call shows nothing between


def progress(items: Any, label: str, *, length: int | None = None, hidden: bool = False) -> AbstractContextManager[Any]:
    """Return a progress bar on stderr, shown when that is a terminal."""
    hidden = hidden or not sys.stderr.isatty()
    return click.progressbar(items, length=length, label=label, file=sys.stderr, hidden=hidden)


def _lines(content: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in content.split(b"\n") if line.removesuffix(b"\r")]
