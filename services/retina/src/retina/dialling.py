"""The HTTP client whose every socket is checked against the address it is about to dial; `fetch` uses it."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from embark.causes import CauseError, CauseKind
from embark.spec import Fetch
from retina.addresses import refusal

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""As socket.getaddrinfo gives it."""

Connect = Callable[[AddrInfo], socket.socket]
"""Makes the socket for an address that has been found dialable."""

_HEADERS: Final = {
    "Accept": "image/*",
    # Images are compressed already, and what is not packed need not be unpacked within a limit.
    "Accept-Encoding": "identity",
    "User-Agent": "EmbArk-Retina/1",
}


def open_socket(info: AddrInfo) -> socket.socket:
    """Make the socket for `info`."""
    return socket.socket(info[0], info[1], info[2])


def guarded(connect: Connect, fetch: Fetch) -> Connect:
    """Return `connect` behind the check of the address.

    The check stands here, behind name resolution, so that neither a name, nor a second answer of its server, nor an odd
    way of writing an address gets around it. It raises CauseError, which no fallback to a name's next address catches.
    """

    def check_and_connect(info: AddrInfo) -> socket.socket:
        if reason := refusal(ip_address(info[4][0]), fetch.allowed_private_networks):
            raise CauseError(CauseKind.BLOCKED, reason)
        return connect(info)

    return check_and_connect


def open_session(fetch: Fetch, connect: Connect, resolver: AbstractResolver) -> aiohttp.ClientSession:
    """Open the client: no proxies, cookies, DNS cache or automatic unpacking.

    The caller closes it, and then `resolver`.
    """
    connector = aiohttp.TCPConnector(
        limit=0,  # the fetcher bounds downloads itself
        use_dns_cache=False,
        resolver=resolver,
        # Addresses of a name one after the other: a race would hide a refusal behind another address's failure.
        happy_eyeballs_delay=None,
        socket_factory=guarded(connect, fetch),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None),  # the fetcher's own covers redirects too
    )
