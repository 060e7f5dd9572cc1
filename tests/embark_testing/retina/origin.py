"""An HTTP origin on loopback, and a dialler that records the addresses it gets."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Origin:
    """Serves `files` and some paths that misbehave; `requested` counts requests by path."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.redirects: dict[str, str] = {}
        self.requested: Counter[str] = Counter()
        self.requests: list[web.BaseRequest] = []
        self.concurrent = 0
        self.max_concurrent = 0
        self.gate: asyncio.Event | None = None
        self.disconnected: asyncio.Event = asyncio.Event()
        self.port = 0

    def url(self, path: str) -> str:
        """Return the URL of `path`."""
        return f"http://{self.host}:{self.port}{path}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        self.requested[path] += 1
        self.requests.append(request)
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        try:
            if self.gate is not None:
                await self.gate.wait()
            return await self._answer(request, path)
        finally:
            self.concurrent -= 1
            if path == "/endless":
                self.disconnected.set()

    async def _answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path == "/endless":
            return await self._endless(request)
        if path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[path]})
        if path.startswith("/status/"):
            return web.Response(status=int(path.removeprefix("/status/")))
        if path not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[path], headers=self.headers.get(path, {}))

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:  # until the client disconnects, which cancels this
            await response.write(b"\xff")
            await asyncio.sleep(0.005)


class RecordingDialler:
    """Records every address and dials only those in `reachable`, so that even a broken guard sends nothing."""

    def __init__(self, *reachable: str) -> None:
        self.reachable = reachable
        self.dialled: list[str] = []

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        address = str(info[4][0])
        self.dialled.append(address)
        if address not in self.reachable:
            raise OSError(f"the test does not dial {address}")
        return socket.socket(info[0], info[1], info[2])


@asynccontextmanager
async def open_origin(host: str = "127.0.0.1") -> AsyncIterator[Origin]:
    """Serve an Origin on a loopback address until the block is left."""
    origin = Origin(host)
    runner = web.ServerRunner(web.Server(origin.answer, handler_cancellation=True), shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, 0)
        await site.start()
        origin.port = runner.addresses[0][1]
        yield origin
    finally:
        await runner.cleanup()
