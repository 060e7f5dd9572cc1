"""DescribeRollout: how far the re-embedding into a space has come; the servicer calls it."""

import re
from typing import Final

from embark.space import ID_LENGTH
from embark.v1 import embark_pb2 as pb
from embark_server.guarded_store import GuardedStore
from embark_server.refusals import InvalidRequestError

_SPACE: Final = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


def describe_rollout(space: str, store: GuardedStore) -> pb.DescribeRolloutResponse:
    """Return the sums over the ranges of a space, which need not be served; zeros where none was begun.

    Raises:
        InvalidRequestError: `space` is no id of a space.
        UnavailableError: the store failed, or has no checkpoints.
    """
    if not _SPACE.fullmatch(space):
        raise InvalidRequestError(f"space {space[:64]!r} is no id of a space, which has {ID_LENGTH} hex digits")
    ranges = store.progress(space)
    return pb.DescribeRolloutResponse(
        ranges_begun=len(ranges),
        ranges_over=sum(progress.finished for progress in ranges),
        done=sum(progress.done for progress in ranges),
        failed=sum(progress.failed for progress in ranges),
    )
