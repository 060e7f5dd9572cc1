"""Downloads within their limits; only loopback is dialled."""

import asyncio
import gzip
import socket
import threading
import tracemalloc
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from embark.causes import Cause, CauseKind
from embark_testing.eventually import eventually_async
from embark_testing.retina.fetching import BODY, fetch, fetch_cause, origin_and_fetcher
from embark_testing.retina.models import loopback_fetch
from embark_testing.retina.origin import RecordingDialler, open_origin
from retina.fetch import Fetcher
from retina.metrics import RetinaMetrics

pytestmark = pytest.mark.asyncio


async def test_an_image_is_downloaded_whole() -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        assert await fetch(fetcher, origin.url("/a")) == BODY


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CauseKind.NOT_FOUND),
        (401, CauseKind.NOT_FOUND),
        (403, CauseKind.NOT_FOUND),
        (404, CauseKind.NOT_FOUND),
        (410, CauseKind.NOT_FOUND),
        (451, CauseKind.NOT_FOUND),
        (408, CauseKind.UNREACHABLE),
        (425, CauseKind.UNREACHABLE),
        (429, CauseKind.UNREACHABLE),
        (500, CauseKind.UNREACHABLE),
        (503, CauseKind.UNREACHABLE),
        (204, CauseKind.UNREACHABLE),
        (301, CauseKind.UNREACHABLE),  # without a Location
    ],
)
async def test_a_permanent_client_error_is_not_found_and_any_other_status_unreachable(
    status: int, kind: CauseKind
) -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        assert (await fetch_cause(fetcher, origin.url(f"/status/{status}"))).kind is kind


async def test_a_port_without_a_server_is_unreachable() -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        pass
    fetcher = Fetcher(loopback_fetch(), RetinaMetrics(CollectorRegistry()), RecordingDialler("127.0.0.1"))
    cause = await fetch_cause(fetcher, origin.url("/a"))
    await fetcher.close()
    assert cause.kind is CauseKind.UNREACHABLE


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    dialler = RecordingDialler()
    async with origin_and_fetcher(dialler) as (_, fetcher):
        cause = await fetch_cause(fetcher, "http://no-such-name.invalid/a")
    assert cause.kind is CauseKind.UNREACHABLE
    assert dialler.dialled == []


async def test_an_endless_slow_body_times_out_and_is_disconnected() -> None:
    async with origin_and_fetcher(timeout="200ms") as (origin, fetcher):
        cause = await fetch_cause(fetcher, origin.url("/endless"))
        assert cause == Cause(CauseKind.UNREACHABLE, "the download timed out after 200ms")
        await asyncio.wait_for(origin.disconnected.wait(), 10)


async def test_a_file_of_exactly_max_bytes_is_accepted_and_one_byte_more_is_not() -> None:
    async with origin_and_fetcher(max_bytes=len(BODY)) as (origin, fetcher):
        origin.files["/b"] = BODY + b"!"
        assert await fetch(fetcher, origin.url("/a")) == BODY
        cause = await fetch_cause(fetcher, origin.url("/b"))
    assert cause == Cause(CauseKind.UNDECODABLE, "the file has 22 bytes; at most 21 are allowed")


async def test_a_body_without_a_declared_length_is_aborted_at_the_limit() -> None:
    async with origin_and_fetcher(max_bytes=5) as (origin, fetcher):
        cause = await fetch_cause(fetcher, origin.url("/endless"))
        await asyncio.wait_for(origin.disconnected.wait(), 10)
    assert cause == Cause(CauseKind.UNDECODABLE, "the file exceeds the maximum of 5 bytes")


async def test_a_compressed_body_is_never_decompressed_beyond_the_limit() -> None:
    async with origin_and_fetcher(max_bytes=100_000) as (origin, fetcher):
        origin.files["/bomb"] = gzip.compress(b"\0" * 50_000_000)
        origin.headers["/bomb"] = {"Content-Encoding": "gzip"}
        tracemalloc.start()
        cause = await fetch_cause(fetcher, origin.url("/bomb"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5_000_000
    assert cause == Cause(CauseKind.UNDECODABLE, "the file exceeds the maximum of 100000 bytes")


async def test_a_body_compressed_against_the_request_is_decompressed() -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        origin.files["/compressed"] = gzip.compress(BODY)
        origin.headers["/compressed"] = {"Content-Encoding": "gzip"}
        assert await fetch(fetcher, origin.url("/compressed")) == BODY
        assert origin.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_an_unreadable_content_encoding_is_undecodable(encoding: str) -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        origin.headers["/a"] = {"Content-Encoding": encoding}
        assert (await fetch_cause(fetcher, origin.url("/a"))).kind is CauseKind.UNDECODABLE


async def test_names_that_never_resolve_do_not_delay_other_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, release = socket.getaddrinfo, threading.Event()

    def resolve_slowly(host: str, *arguments: Any, **named: Any) -> list[Any]:
        if host.endswith(".example"):
            release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "as requested")
        return list(resolve(host, *arguments, **named))

    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    limits = loopback_fetch(allowed_private_networks=("127.0.0.1/32", "::1/128"))
    async with origin_and_fetcher(RecordingDialler("127.0.0.1", "::1"), limits) as (origin, fetcher):
        stuck = [asyncio.create_task(fetch_cause(fetcher, f"http://{n}.example/a")) for n in range(40)]
        try:
            url = origin.url("/a").replace("127.0.0.1", "localhost")
            assert await asyncio.wait_for(fetch(fetcher, url), 10) == BODY
        finally:
            release.set()
        assert {cause.kind for cause in await asyncio.gather(*stuck)} == {CauseKind.UNREACHABLE}


async def test_concurrent_downloads_from_a_host_are_limited() -> None:
    async with origin_and_fetcher(per_host_concurrency=2) as (origin, fetcher):
        origin.gate = asyncio.Event()
        downloads = [asyncio.create_task(fetch(fetcher, origin.url("/a"))) for _ in range(6)]

        async def two_concurrent() -> bool:
            return origin.concurrent == 2

        await eventually_async(two_concurrent, what="two downloads are in flight")
        origin.gate.set()
        assert await asyncio.gather(*downloads) == [BODY] * 6
    assert origin.max_concurrent == 2


async def test_images_that_wait_for_a_slow_host_do_not_delay_other_hosts() -> None:
    dialler = RecordingDialler("127.0.0.1", "127.0.0.2")
    limits = loopback_fetch(per_host_concurrency=1, allowed_private_networks=("127.0.0.0/8",))
    async with origin_and_fetcher(dialler, limits) as (slow, fetcher), open_origin("127.0.0.2") as quick:
        slow.gate = asyncio.Event()
        quick.files["/b"] = BODY
        waiting = [asyncio.create_task(fetch(fetcher, slow.url("/a"))) for _ in range(200)]
        assert await asyncio.wait_for(fetch(fetcher, quick.url("/b")), 10) == BODY
        slow.gate.set()
        assert await asyncio.gather(*waiting) == [BODY] * 200
