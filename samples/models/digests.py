"""SHA-256 digests, which pin every byte the sample models are made of; used by every module of this folder."""

import hashlib


class DigestMismatchError(Exception):
    """Some bytes are not the ones that were pinned."""

    def __init__(self, what: str, *, pinned: str, found: str) -> None:
        super().__init__(f"{what} is refused: its sha256 is not the pinned one\n  pinned: {pinned}\n  found:  {found}")
        self.pinned = pinned
        self.found = found


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def require_digest(what: str, content: bytes, pinned: str) -> None:
    """Refuse `content` unless its SHA-256 is `pinned`.

    Raises:
        DigestMismatchError: naming `what`, with both digests.
    """
    found = sha256_hex(content)
    if found != pinned:
        raise DigestMismatchError(what, pinned=pinned, found=found)
