"""One hostile item among 32 never affects the other 31, over real gRPC; only loopback is dialled."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from embark.v1 import types_pb2
from embark_testing.retina.images import (
    HTML,
    SVG,
    animation,
    encoded,
    grey16_png,
    huge_png,
    jpeg,
    lying_png,
    photograph,
    rotated_png,
)
from embark_testing.retina.models import install, loopback_fetch, mean_model, settings
from embark_testing.retina.origin import Origin, RecordingDialler, open_origin
from embark_testing.retina.service import by_content, by_key, open_retina

pytestmark = pytest.mark.asyncio

BLOCKED = types_pb2.CAUSE_KIND_BLOCKED
INVALID_KEY = types_pb2.CAUSE_KIND_INVALID_KEY
UNDECODABLE = types_pb2.CAUSE_KIND_UNDECODABLE
UNREACHABLE = types_pb2.CAUSE_KIND_UNREACHABLE

FILES: dict[str, tuple[bytes, int | None]] = {
    "9000 x 9000": (huge_png(), UNDECODABLE),
    "a header that lies": (lying_png(2**31 - 1, 2**31 - 1), UNDECODABLE),
    "1 x 1": (encoded(Image.new("RGB", (1, 1)), "PNG"), None),
    "CMYK": (encoded(photograph().convert("CMYK"), "JPEG"), None),
    "16-bit": (grey16_png(40_000), None),
    "palette": (encoded(photograph().quantize(), "PNG"), None),
    "animated": (animation(), None),
    "rotated": (rotated_png()[1], None),
    "truncated": (jpeg()[:3000], UNDECODABLE),
    "HTML": (HTML, UNDECODABLE),
    "SVG": (SVG, UNDECODABLE),
    "0 bytes": (b"", UNDECODABLE),
    "50 MB": (b"\xff\xd8\xff" + bytes(50_000_000), UNDECODABLE),
}

KEYS: dict[str, tuple[Callable[[Origin], str], int]] = {
    "endless slow body": (lambda origin: origin.url("/endless"), UNREACHABLE),
    "redirect to the metadata address": (lambda origin: origin.url("/to-metadata"), BLOCKED),
    "redirect to a file": (lambda origin: origin.url("/to-file"), BLOCKED),
    "redirect loop": (lambda origin: origin.url("/loop"), UNREACHABLE),
    "a name that resolves to 127.0.0.1": (lambda origin: f"http://localhost:{origin.port}/", BLOCKED),
    "IPv4-mapped": (lambda origin: f"http://[::ffff:127.0.0.1]:{origin.port}/", BLOCKED),
    "NAT64": (lambda origin: f"http://[64:ff9b::7f00:1]:{origin.port}/", BLOCKED),
    "6to4": (lambda origin: f"http://[2002:7f00:1::]:{origin.port}/", BLOCKED),
    "decimal host": (lambda origin: f"http://2130706433:{origin.port}/", BLOCKED),
    "octal host": (lambda origin: f"http://0177.0.0.1:{origin.port}/", BLOCKED),
    "hexadecimal host": (lambda origin: f"http://0x7f.1:{origin.port}/", BLOCKED),
    "file": (lambda _: "file:///etc/passwd", BLOCKED),
    "gopher": (lambda _: "gopher://127.0.0.1:70/1", BLOCKED),
    "user information": (lambda origin: f"http://user:word@127.0.0.2:{origin.port}/0", BLOCKED),
    "1 MB": (lambda origin: origin.url("/" + "a" * 1_000_000), INVALID_KEY),
    "empty": (lambda _: "", INVALID_KEY),
}


def prepare(origin: Origin) -> list[str]:
    """Put 31 good photographs and the redirects at the origin; return the photographs' URLs."""
    origin.files |= {f"/{seed}": jpeg(seed) for seed in range(31)}
    origin.redirects |= {
        "/to-metadata": "http://169.254.169.254/latest/meta-data/",
        "/to-file": "file:///etc/passwd",
        "/loop": "/loop",
    }
    return [origin.url(f"/{seed}") for seed in range(31)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("way", ["fetched", "sent"])
async def test_one_hostile_file_among_32_never_affects_the_others(name: str, way: str, tmp_path: Path) -> None:
    content, kind = FILES[name]
    dialler = RecordingDialler("127.0.0.1")
    loaded = settings(install(tmp_path, mean_model()))
    async with open_origin() as origin, open_retina(loaded, tmp_path, dialler) as client:
        good = [by_key(url) for url in prepare(origin)]
        origin.files["/hostile"] = content
        hostile = by_key(origin.url("/hostile")) if way == "fetched" else by_content(content)
        expected = await client.encode(*good)
        results = await client.encode(*good[:17], hostile, *good[17:])
    answer = results.pop(17)
    assert results == expected
    assert all(result.vector for result in results)
    assert (answer.cause.kind == kind) if kind else answer.vector


@pytest.mark.parametrize("name", KEYS)
async def test_one_hostile_key_among_32_never_affects_the_others(name: str, tmp_path: Path) -> None:
    make_key, kind = KEYS[name]
    dialler = RecordingDialler("127.0.0.2")
    # Only the origin's address is allowed, so 127.0.0.1 stands for every internal address.
    fetch = loopback_fetch(timeout="1s", allowed_private_networks=("127.0.0.2/32",))
    loaded = settings(install(tmp_path, mean_model()), fetch=fetch)
    async with open_origin("127.0.0.2") as origin, open_retina(loaded, tmp_path, dialler) as client:
        good = [by_key(url) for url in prepare(origin)]
        expected = await client.encode(*good)
        results = await client.encode(*good[:17], by_key(make_key(origin)), *good[17:])
    answer = results.pop(17)
    assert answer.cause.kind == kind, answer.cause.detail
    assert results == expected
    assert all(result.vector for result in results)
    assert set(dialler.dialled) == {"127.0.0.2"}


async def test_a_name_that_resolves_to_loopback_is_blocked_unless_allowed(tmp_path: Path) -> None:
    dialler = RecordingDialler()
    loaded = settings(install(tmp_path, mean_model()), fetch=loopback_fetch(allowed_private_networks=()))
    async with open_origin() as origin, open_retina(loaded, tmp_path, dialler) as client:
        results = await client.encode(by_key(f"http://localhost:{origin.port}/0"), by_content(jpeg()))
    assert results[0].cause.kind == BLOCKED
    assert results[1].vector
    assert dialler.dialled == []


async def test_a_rotated_image_has_the_embedding_of_the_upright_one(tmp_path: Path) -> None:
    upright, rotated = rotated_png()
    async with open_retina(settings(install(tmp_path, mean_model())), tmp_path) as client:
        results = await client.encode(by_content(upright), by_content(rotated))
    assert results[0].vector == results[1].vector
