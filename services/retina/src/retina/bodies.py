"""Reads the body of an HTTP answer up to a limit; `fetch` calls it."""

import zlib
from collections.abc import AsyncIterable
from typing import Final, Protocol

import aiohttp

from embark.causes import CauseError, CauseKind

# +32: zlib tells gzip from zlib by their headers.
_ANY_ZLIB: Final = zlib.MAX_WBITS | 32


class _Unpacker(Protocol):
    def take(self, packed: bytes, room: int) -> bytes: ...


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, unpacked if the origin packed it although asked not to.

    Raises:
        CauseError: UNDECODABLE; it has more than `limit` bytes, packed or unpacked, or is packed in an unknown way.
    """
    declared = response.content_length
    if declared is not None and declared > limit:
        raise CauseError(CauseKind.UNDECODABLE, f"the file has {declared} bytes; at most {limit} are allowed")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        unpacker: _Unpacker = _Plain()
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        unpacker = _Zlib()
    else:
        raise CauseError(CauseKind.UNDECODABLE, f"the content encoding {encoding!r} is not identity, gzip or deflate")
    return await _read(response.content.iter_any(), unpacker, limit)


async def _read(chunks: AsyncIterable[bytes], unpacker: _Unpacker, limit: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        try:
            # One byte more than there is room for tells a body of exactly `limit` from a larger one.
            body += unpacker.take(chunk, limit - len(body) + 1)
        except zlib.error as error:
            raise CauseError(CauseKind.UNDECODABLE, f"the content encoding cannot be read: {error}") from None
        if len(body) > limit:
            raise CauseError(CauseKind.UNDECODABLE, f"the file has more than {limit} bytes, the most allowed")
    return bytes(body)


class _Plain:
    def take(self, packed: bytes, room: int) -> bytes:
        return packed[:room]


class _Zlib:
    """Never unpacks more than is asked for, so that a small body cannot become a huge one."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_ANY_ZLIB)

    def take(self, packed: bytes, room: int) -> bytes:
        return self._stream.decompress(packed, room)
