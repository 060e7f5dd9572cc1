"""Fetcher: downloads images within the limits of `encoder.fetch`."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
from yarl import URL

from embark.causes import CauseError, CauseKind
from embark.spec import Fetch
from embark.spec.quantities import format_duration
from retina.dialling import Connect, ThreadResolver, open_session, open_socket
from retina.metrics import RetinaMetrics
from retina.urls import parse_url

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Client errors that a retry may not meet again: timeout, too early, too many requests.
_TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_MAX_IN_FLIGHT: Final = 64
"""Images that are being downloaded or wait for a runner; together with maxBytes it bounds their memory."""
# +32: zlib detects by the header whether the stream is gzip or zlib.
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class Fetcher:
    """Downloads images; create and use it within one event loop."""

    def __init__(
        self,
        fetch: Fetch,
        metrics: RetinaMetrics,
        connect: Connect | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the HTTP client; `clock` is monotonic, in seconds."""
        self._clock = clock
        self._fetch = fetch
        self._metrics = metrics
        self._resolver = ThreadResolver(_MAX_IN_FLIGHT)
        self._session = open_session(fetch, connect or open_socket, self._resolver)
        self._slots = HostSlots(fetch.per_host_concurrency)
        self._in_flight = asyncio.Semaphore(_MAX_IN_FLIGHT)

    @asynccontextmanager
    async def fetched(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes at the URL `key`, which count as in flight until the block is left.

        The timeout covers all requests for an image; waiting for a slot of its host or for room in flight does not
        count.

        Raises:
            CauseError: BLOCKED for a URL or an address that is not allowed, also of a redirect; NOT_FOUND for a
                permanent client error (400 to 499); UNDECODABLE if the body exceeds maxBytes; UNREACHABLE for
                anything else.
        """
        url = parse_url(key, self._fetch.schemes)
        remaining = self._fetch.timeout.total_seconds()
        for _ in range(self._fetch.max_redirects + 1):
            # Take the host's slot first: images that wait for a slow host must not use up the room in flight.
            async with self._slots.hold(url.raw_host or ""), AsyncExitStack() as request:
                await request.enter_async_context(self._in_flight)
                started = self._clock()
                answer = await self._get(url, remaining)
                elapsed = self._clock() - started
                held = request.pop_all()
            async with held:
                remaining -= elapsed
                self._metrics.fetch_seconds.observe(elapsed)
                if isinstance(answer, bytes):
                    yield answer
                    return
            url = answer
        raise CauseError(CauseKind.UNREACHABLE, f"redirected more than {self._fetch.max_redirects} times")

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    async def _get(self, url: URL, seconds: float) -> bytes | URL:
        """Return the body at `url`, or the URL it redirects to."""
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.get(url, allow_redirects=False) as response,
            ):
                if response.status in _REDIRECTS:
                    return self._redirect(url, response.headers.get("Location", ""))
                _check_status(response.status)
                return await read_body(response, self._fetch.max_bytes)
        except TimeoutError:
            limit = format_duration(self._fetch.timeout)
            raise CauseError(CauseKind.UNREACHABLE, f"the download timed out after {limit}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CauseError(CauseKind.UNREACHABLE, str(error) or type(error).__name__) from error

    def _redirect(self, url: URL, location: str) -> URL:
        if not location:
            raise CauseError(CauseKind.UNREACHABLE, "the origin sent a redirect without a Location header")
        try:
            target = str(url.join(URL(location)))
        except ValueError as error:
            raise CauseError(CauseKind.BLOCKED, f"the origin redirects to a malformed URL: {error}") from None
        return parse_url(target, self._fetch.schemes)


def _check_status(status: int) -> None:
    if status == HTTPStatus.OK:
        return
    detail = f"the origin answered {status}"
    permanent = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRANSIENT
    raise CauseError(CauseKind.NOT_FOUND if permanent else CauseKind.UNREACHABLE, detail)


class HostSlots:
    """Limits concurrent requests to `limit` per host; a host without requests takes no memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hosts: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def __len__(self) -> int:
        """Return how many hosts have requests, running or waiting."""
        return len(self._hosts)

    @asynccontextmanager
    async def hold(self, host: str) -> AsyncIterator[None]:
        """Wait for a slot of `host` and hold it until the block is left."""
        semaphore, users = self._hosts.get(host) or (asyncio.Semaphore(self._limit), 0)
        self._hosts[host] = semaphore, users + 1
        try:
            async with semaphore:
                yield
        finally:
            _, users = self._hosts[host]
            if users == 1:
                del self._hosts[host]
            else:
                self._hosts[host] = semaphore, users - 1


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, decompressed if the origin compressed it despite `Accept-Encoding: identity`.

    Raises:
        CauseError: UNDECODABLE; the body exceeds `limit` bytes, compressed or not, or its encoding is not supported.
    """
    declared = response.content_length
    if declared is not None and declared > limit:
        raise CauseError(CauseKind.UNDECODABLE, f"the file has {declared} bytes; at most {limit} are allowed")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        decoder: _ContentDecoder = _IdentityDecoder()
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        decoder = _ZlibDecoder()
    else:
        raise CauseError(CauseKind.UNDECODABLE, f"the content encoding {encoding!r} is not identity, gzip or deflate")
    return await _read(response.content.iter_any(), decoder, limit)


async def _read(chunks: AsyncIterable[bytes], decoder: "_ContentDecoder", limit: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        try:
            # One extra byte distinguishes a body of exactly `limit` bytes from a larger one.
            body += decoder.decode(chunk, limit - len(body) + 1)
        except zlib.error as error:
            raise CauseError(CauseKind.UNDECODABLE, f"the content encoding cannot be read: {error}") from None
        if len(body) > limit:
            raise CauseError(CauseKind.UNDECODABLE, f"the file exceeds the maximum of {limit} bytes")
    return bytes(body)


class _ContentDecoder(Protocol):
    def decode(self, chunk: bytes, max_bytes: int) -> bytes: ...


class _IdentityDecoder:
    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        return chunk[:max_bytes]


class _ZlibDecoder:
    """Never produces more than `max_bytes`, so a small body cannot expand into a huge one."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        return self._stream.decompress(chunk, max_bytes)
