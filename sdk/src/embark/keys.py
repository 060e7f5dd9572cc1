"""Validation of keys, where they enter EmbArk and the client."""

from typing import Final

from embark.causes import CauseError, CauseKind

# Cassandra's limit for a partition key is 64 KiB; URLs and titles are far shorter than this one.
MAX_KEY_BYTES: Final = 8 * 1024


def parse_key(raw: bytes) -> str:
    """Return the key's text.

    Raises:
        CauseError: INVALID_KEY; the key is empty, longer than MAX_KEY_BYTES, not UTF-8, or holds a NUL.
    """
    if not raw:
        raise CauseError(CauseKind.INVALID_KEY, "the key is empty")
    if len(raw) > MAX_KEY_BYTES:
        raise CauseError(CauseKind.INVALID_KEY, f"the key has {len(raw)} bytes; at most {MAX_KEY_BYTES} are allowed")
    try:
        key = raw.decode()
    except UnicodeDecodeError as error:
        raise CauseError(CauseKind.INVALID_KEY, f"the key is not UTF-8 from byte {error.start} on") from None
    if "\0" in key:
        raise CauseError(CauseKind.INVALID_KEY, f"the key has a NUL at character {key.index(chr(0))}")
    return key
