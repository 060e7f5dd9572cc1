"""Ranges begun at their start, for tests of what comes after."""

from embark.store import Checkpoints, Progress, TokenRange
from embark.store.progress import stored_progress


def begin(checkpoints: Checkpoints, space: str, within: TokenRange) -> Progress:
    """Begin a range, unless another process has; return its progress."""
    start = Progress(within, within.start)
    checkpoints.save(space, start, first=True)
    progress = stored_progress(checkpoints.load(space), space, within)
    assert progress is not None
    return progress
