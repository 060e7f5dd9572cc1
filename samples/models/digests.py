"""SHA-256 digests, which pin every byte of the sample models and their sources."""

import hashlib


class DigestMismatchError(Exception):
    """Content does not match its pinned digest."""

    def __init__(self, what: str, *, pinned: str, found: str) -> None:
        super().__init__(f"{what} is refused: its sha256 is not the pinned one\n  pinned: {pinned}\n  found:  {found}")
        self.pinned = pinned
        self.found = found


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def require_digest(what: str, content: bytes, pinned: str) -> None:
    """Check that the SHA-256 of `content` is `pinned`.

    Raises:
        DigestMismatchError: it is not; the message names `what` and both digests.
    """
    found = sha256_hex(content)
    if found != pinned:
        raise DigestMismatchError(what, pinned=pinned, found=found)
