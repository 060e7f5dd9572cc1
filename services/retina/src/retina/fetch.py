"""Downloads an image by URL within the cache's limits; `encode` calls it for every image key."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from embark.causes import CauseError, CauseKind
from embark.spec import Fetch
from embark.spec.quantities import format_duration
from retina.bodies import read_body
from retina.dialling import Connect, open_session, open_socket
from retina.metrics import Metrics
from retina.resolving import ThreadResolver
from retina.slots import HostSlots
from retina.urls import parse_url

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Client errors that another attempt may not meet again: timeout, too early, too many requests.
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_IN_HAND: Final = 64
"""Images that are downloaded or wait for a runner at a time; with maxBytes it bounds the memory they take."""


class Fetcher:
    """Downloads images; made and used within one event loop."""

    def __init__(
        self,
        fetch: Fetch,
        metrics: Metrics,
        connect: Connect | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the client; `clock` returns seconds from any beginning."""
        self._clock = clock
        self._fetch = fetch
        self._metrics = metrics
        self._resolver = ThreadResolver(_IN_HAND)
        self._session = open_session(fetch, connect or open_socket, self._resolver)
        self._slots = HostSlots(fetch.per_host_concurrency)
        self._in_hand = asyncio.Semaphore(_IN_HAND)

    @asynccontextmanager
    async def fetched(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes under the URL `key`; until the caller is done with them, they are one of those in hand.

        The time limit covers all of an image's requests; waiting for its host and for room in hand does not count.

        Raises:
            CauseError: BLOCKED, for a URL or an address that is not allowed, of a redirect too; NOT_FOUND, for a client
                error (400 to 499) that will not pass; UNDECODABLE, over maxBytes; UNREACHABLE, for anything else.
        """
        url = parse_url(key, self._fetch.schemes)
        left = self._fetch.timeout.total_seconds()
        for _ in range(self._fetch.max_redirects + 1):
            # The host comes first: images that wait for a slow one must not fill what is in hand.
            async with self._slots.hold(url.raw_host or ""), AsyncExitStack() as request:
                await request.enter_async_context(self._in_hand)
                started = self._clock()
                answer = await self._get(url, left)
                spent = self._clock() - started
                held = request.pop_all()
            async with held:
                left -= spent
                self._metrics.fetch_seconds.observe(spent)
                if isinstance(answer, bytes):
                    yield answer
                    return
            url = answer
        raise CauseError(CauseKind.UNREACHABLE, f"redirected more than {self._fetch.max_redirects} times")

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolver.close()

    async def _get(self, url: URL, seconds: float) -> bytes | URL:
        """Return the body under `url`, or where it redirects to."""
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
            raise CauseError(CauseKind.UNREACHABLE, f"the image was not there within {limit}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CauseError(CauseKind.UNREACHABLE, str(error) or type(error).__name__) from error

    def _redirect(self, url: URL, location: str) -> URL:
        if not location:
            raise CauseError(CauseKind.UNREACHABLE, "the origin redirects without saying where to")
        try:
            target = str(url.join(URL(location)))
        except ValueError as error:
            raise CauseError(CauseKind.BLOCKED, f"the origin redirects to a malformed URL: {error}") from None
        return parse_url(target, self._fetch.schemes)


def _check_status(status: int) -> None:
    if status == HTTPStatus.OK:
        return
    detail = f"the origin answered {status}"
    gone = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING
    raise CauseError(CauseKind.NOT_FOUND if gone else CauseKind.UNREACHABLE, detail)
