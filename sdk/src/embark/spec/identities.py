"""Identities in client certificates, and patterns of them."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Final

from pydantic import StringConstraints

IDENTITY_PATTERN: Final = r"^[A-Za-z0-9*][A-Za-z0-9*._:/@\-]*$"

Identity = Annotated[str, StringConstraints(pattern=IDENTITY_PATTERN, max_length=253)]
"""A SPIFFE URI, a DNS name or a common name; `*` stands for any characters but `/`."""


def matcher(patterns: Iterable[str]) -> Callable[[Iterable[str]], bool]:
    """Return a function that returns whether any of some identities matches one of `patterns`."""
    whole = "|".join("[^/]*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    match = re.compile(whole).fullmatch
    return (lambda identities: any(map(match, identities))) if whole else lambda _: False
