"""A Fetcher and an origin to download from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from embark.causes import Cause, CauseError
from embark.spec import Fetch
from embark_testing.retina.models import loopback_fetch
from embark_testing.retina.origin import Origin, RecordingDialler, open_origin
from retina.fetch import Fetcher
from retina.metrics import RetinaMetrics

BODY = b"the bytes of an image"
"""The file of the origin at /a."""


@asynccontextmanager
async def origin_and_fetcher(
    dialler: RecordingDialler | None = None, fetch: Fetch | None = None, **limits: Any
) -> AsyncIterator[tuple[Origin, Fetcher]]:
    """Serve BODY at /a of an origin, and yield it with a fetcher that may dial it."""
    async with open_origin() as origin:
        origin.files["/a"] = BODY
        fetcher = Fetcher(
            fetch or loopback_fetch(**limits),
            RetinaMetrics(CollectorRegistry()),
            dialler or RecordingDialler("127.0.0.1"),
        )
        try:
            yield origin, fetcher
        finally:
            await fetcher.close()


async def fetch(fetcher: Fetcher, url: str) -> bytes | Cause:
    """Return the bytes at `url`, or the cause with which the download fails."""
    try:
        async with fetcher.fetched(url) as content:
            return content
    except CauseError as error:
        return error.cause


async def fetch_cause(fetcher: Fetcher, url: str) -> Cause:
    """Return the cause with which the download of `url` fails."""
    outcome = await fetch(fetcher, url)
    assert isinstance(outcome, Cause), outcome
    return outcome
