"""Validates the URLs that Retina fetches: keys and redirects."""

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from yarl import URL

from embark.causes import CauseError, CauseKind

# URL parsers disagree about these, so one could check a host and another dial a different one.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x20\x7f\\]")
# A host whose last label is a number is an IPv4 address to most resolvers (WHATWG URL, "ends in a number checker").
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_MAX_LABEL: Final = 63  # RFC 1035, section 2.3.4
_MAX_HOST: Final = 253


def parse_url(text: str, schemes: Collection[str]) -> URL:
    """Return the URL, its host in the form in which it is resolved.

    Whether the host's address may be dialled is checked when it is dialled.

    Raises:
        CauseError: BLOCKED; the scheme is not in `schemes`, the URL has user information or no host, or its host or
            port is not in canonical notation.
    """
    if _AMBIGUOUS.search(text):
        raise _blocked("the URL contains a space, a control character or a backslash")
    try:
        url = URL(text)
        netloc = urlsplit(text).netloc
        port = url.port
    except ValueError as error:
        raise _blocked(f"the URL is malformed: {error}") from None
    if url.scheme not in schemes:
        raise _blocked(f"the scheme {url.scheme!r} is not allowed; use {' or '.join(schemes)}")
    if "@" in netloc or url.raw_user is not None or url.raw_password is not None:
        raise _blocked("the URL contains user information")
    if not port:
        raise _blocked("port 0 cannot be dialled")
    _check_host(url.raw_host or "")
    return url


def _check_host(host: str) -> None:
    name = host.removesuffix(".")
    if not name:
        raise _blocked("the URL has no host")
    if ":" in name:
        return  # an IPv6 literal; yarl has parsed it
    labels = name.split(".")
    if len(name) > _MAX_HOST or not all(1 <= len(label) <= _MAX_LABEL for label in labels):
        raise _blocked(f"the host {name[:80]!r} is not a valid name")
    if not _NUMBER.fullmatch(labels[-1]):
        return
    try:
        ip_address(host)
    except ValueError:
        raise _blocked(f"the host {name!r} is a number but not four plain decimals") from None


def _blocked(detail: str) -> CauseError:
    return CauseError(CauseKind.BLOCKED, detail)
