"""How far the re-embedding into a space has come, as callers of `describe_rollout` get it."""

from dataclasses import dataclass

from embark.v1 import embark_pb2


@dataclass(frozen=True, slots=True)
class RolloutDescription:
    """The checkpoints of one space, summed up: ranges of the source's tokens, and the keys in what is over of them.

    All zero where no range was begun.
    """

    ranges_begun: int
    ranges_over: int
    done: int
    """Keys that were encoded."""
    failed: int
    """Keys that could not be."""


def rollout_of_wire(reply: embark_pb2.DescribeRolloutResponse) -> RolloutDescription:
    """Return the value of a reply.

    Raises:
        ValueError: more ranges are over than were begun.
    """
    if reply.ranges_over > reply.ranges_begun:
        raise ValueError(f"{reply.ranges_over} ranges are over, of {reply.ranges_begun} that were begun")
    return RolloutDescription(reply.ranges_begun, reply.ranges_over, reply.done, reply.failed)
