"""The HTTP client of downloads: every socket is checked against the address that it is about to dial."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from embark.causes import CauseError, CauseKind
from embark.spec import Fetch
from retina.addresses import refusal

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""One result of socket.getaddrinfo."""

Connect = Callable[[AddrInfo], socket.socket]
"""Creates the socket for an address that may be dialled."""

_HEADERS: Final = {
    "Accept": "image/*",
    # Images are compressed already, and a body that is not compressed cannot expand beyond a limit.
    "Accept-Encoding": "identity",
    "User-Agent": "EmbArk-Retina/1",
}


def open_socket(info: AddrInfo) -> socket.socket:
    """Create the socket for `info`."""
    return socket.socket(info[0], info[1], info[2])


def guarded(connect: Connect, fetch: Fetch) -> Connect:
    """Return `connect` with the address check in front of it.

    The check runs after name resolution, so that neither a name, nor a second answer of its DNS server, nor an unusual
    notation of an address gets around it. It raises CauseError, which no fallback to a name's next address catches.
    """

    def check_and_connect(info: AddrInfo) -> socket.socket:
        if reason := refusal(ip_address(info[4][0]), fetch.allowed_private_networks):
            raise CauseError(CauseKind.BLOCKED, reason)
        return connect(info)

    return check_and_connect


def open_session(fetch: Fetch, connect: Connect, resolver: AbstractResolver) -> aiohttp.ClientSession:
    """Open the client: no proxies, cookies, DNS cache or automatic decompression.

    The caller closes it, and then `resolver`.
    """
    connector = aiohttp.TCPConnector(
        limit=0,  # the fetcher bounds downloads itself
        use_dns_cache=False,
        resolver=resolver,
        # Dial the addresses of a name one after the other: a race would hide a refusal behind another's failure.
        happy_eyeballs_delay=None,
        socket_factory=guarded(connect, fetch),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None),  # the fetcher's timeout covers redirects too
    )


class ThreadResolver(AbstractResolver):
    """Resolves at most `threads` names at a time with the system's resolver; caches nothing.

    A name server that never answers blocks its thread for many seconds. On the event loop's few shared threads a
    handful of such names would delay every other download.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`.

        Raises:
            OSError: `host` does not resolve.
        """
        # AI_ADDRCONFIG: no IPv6 addresses on a machine without IPv6.
        resolve = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        infos = await asyncio.get_running_loop().run_in_executor(self._threads, resolve)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, protocol, _, address in infos
        ]

    async def close(self) -> None:
        """Drop what is queued; a resolution that is running finishes by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
