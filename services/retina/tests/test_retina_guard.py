"""Where downloads must not go; only 127.0.0.1 is dialled."""

import itertools

import pytest
from prometheus_client import CollectorRegistry

from embark.causes import Cause, CauseKind
from embark.spec import Fetch
from embark_testing.retina.fetching import BODY, fetch, fetch_cause, origin_and_fetcher
from embark_testing.retina.models import loopback_fetch
from embark_testing.retina.origin import RecordingDialler, open_origin
from retina.fetch import Fetcher
from retina.metrics import RetinaMetrics

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a00:1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[fe80::1]",
        "127。0。0。1",
    ],
)
async def test_an_internal_address_is_blocked_and_never_dialled(host: str) -> None:
    dialler = RecordingDialler()
    async with origin_and_fetcher(dialler, Fetch()) as (origin, fetcher):
        cause = await fetch_cause(fetcher, f"http://{host}:{origin.port}/a")
    assert cause.kind is CauseKind.BLOCKED
    assert dialler.dialled == []


async def test_a_public_address_reaches_the_dialler() -> None:
    dialler = RecordingDialler()
    async with origin_and_fetcher(dialler, Fetch()) as (_, fetcher):
        cause = await fetch_cause(fetcher, "http://192.31.196.1/a")
    assert dialler.dialled == ["192.31.196.1"]
    assert cause.kind is CauseKind.UNREACHABLE


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost.localdomain@169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//10.0.0.1/a",
        "http://[::1/",
    ],
)
async def test_a_redirect_to_a_forbidden_target_is_blocked(target: str) -> None:
    dialler = RecordingDialler("127.0.0.1")
    async with origin_and_fetcher(dialler) as (origin, fetcher):
        origin.redirects["/away"] = target
        cause = await fetch_cause(fetcher, origin.url("/away"))
    assert cause.kind is CauseKind.BLOCKED
    assert set(dialler.dialled) == {"127.0.0.1"}


async def test_a_redirect_is_resolved_relative_to_its_own_url() -> None:
    async with origin_and_fetcher() as (origin, fetcher):
        origin.redirects |= {"/one": "/two/b", "/two/b": "../a"}
        assert await fetch(fetcher, origin.url("/one")) == BODY


async def test_a_redirect_loop_stops_after_max_redirects() -> None:
    async with origin_and_fetcher(max_redirects=2) as (origin, fetcher):
        origin.redirects["/loop"] = "/loop"
        cause = await fetch_cause(fetcher, origin.url("/loop"))
    assert cause == Cause(CauseKind.UNREACHABLE, "redirected more than 2 times")
    assert origin.requested["/loop"] == 3


async def test_redirects_share_one_timeout() -> None:
    hours = itertools.count(step=3600)
    async with open_origin() as origin:
        origin.files["/a"] = BODY
        origin.redirects["/one"] = "/a"
        fetcher = Fetcher(
            loopback_fetch(timeout="1h"),
            RetinaMetrics(CollectorRegistry()),
            RecordingDialler("127.0.0.1"),
            clock=lambda: next(hours),  # so the first request uses up the timeout
        )
        outcomes = [await fetch(fetcher, origin.url(path)) for path in ("/a", "/one")]
        await fetcher.close()
    assert outcomes == [BODY, Cause(CauseKind.UNREACHABLE, "the download timed out after 1h")]


async def test_proxy_variables_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    dialler = RecordingDialler("127.0.0.1")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.31.196.1:3128")
    async with origin_and_fetcher(dialler) as (origin, fetcher):
        assert await fetch(fetcher, origin.url("/a")) == BODY
    assert dialler.dialled == ["127.0.0.1"]
