"""Ranges begun at their start, for tests of what comes after."""

from embark.store import Checkpoints, RangeProgress, TokenRange
from embark.store.progress import find_progress


def begin(checkpoints: Checkpoints, space: str, token_range: TokenRange) -> RangeProgress:
    """Begin a range, unless another process has; return its progress."""
    start = RangeProgress(token_range, token_range.start)
    checkpoints.save(space, start, first=True)
    progress = find_progress(checkpoints.load(space), space, token_range)
    assert progress is not None
    return progress
