"""Resolves the hosts of URLs on threads of its own; `dialling` uses it."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult


class ThreadResolver(AbstractResolver):
    """Asks the system's resolver, for at most `threads` names at a time; remembers nothing.

    Name servers that never answer hold their threads for many seconds. On the loop's few shared threads a handful of
    such names would hold up every other download.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`; raises OSError when it has none."""
        # AI_ADDRCONFIG: no IPv6 addresses where this machine has none itself.
        ask = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        infos = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
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
        """Drop what waits; a question that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
