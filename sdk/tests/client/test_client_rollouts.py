from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import grpc
import pytest

from embark.client import BadReplyError, EmbArkClient, InvalidRequestError, RolloutDescription
from embark.errors import ClosedError, UnavailableError
from embark.v1 import embark_pb2 as pb
from embark_testing.embark.dict_embark import DictEmbArk, serving

Connect = Callable[..., EmbArkClient]
SPACE = "0123456789ab"


class Rollouts:
    """DescribeRollout of a test server: records the requested spaces, and replies or refuses as set."""

    def __init__(self, reply: pb.DescribeRolloutResponse) -> None:
        self.reply = reply
        self.requested: list[str] = []
        self.refusal: tuple[grpc.StatusCode, str] | None = None

    def __call__(self, request: Any, context: grpc.ServicerContext) -> pb.DescribeRolloutResponse:
        self.requested.append(request.space)
        if self.refusal is not None:
            context.abort(*self.refusal)
        return self.reply


@pytest.fixture
def rollouts(server: DictEmbArk, monkeypatch: pytest.MonkeyPatch) -> Rollouts:
    """Use this before `target`: a server looks up its methods when it starts."""
    rollouts = Rollouts(pb.DescribeRolloutResponse(ranges_begun=256, ranges_over=3, done=2**40, failed=7))
    monkeypatch.setattr(server, "DescribeRollout", rollouts)
    return rollouts


def test_a_rollout_is_described_by_its_ranges_and_keys(connect: Connect, rollouts: Rollouts, target: str) -> None:
    described = connect(target).describe_rollout(SPACE)
    assert described == RolloutDescription(ranges_begun=256, ranges_over=3, done=2**40, failed=7)
    assert rollouts.requested == [SPACE]
    with pytest.raises(FrozenInstanceError):
        described.done = 0  # type: ignore[misc]


def test_a_rollout_that_has_not_begun_is_all_zeros(connect: Connect, rollouts: Rollouts, target: str) -> None:
    rollouts.reply = pb.DescribeRolloutResponse()
    assert connect(target).describe_rollout(SPACE) == RolloutDescription(0, 0, 0, 0)


def test_a_reply_with_more_finished_ranges_than_begun_ones_is_rejected(
    connect: Connect, rollouts: Rollouts, target: str
) -> None:
    rollouts.reply = pb.DescribeRolloutResponse(ranges_begun=1, ranges_over=2)
    with pytest.raises(BadReplyError, match="2 ranges are finished, but 1 have begun"):
        connect(target).describe_rollout(SPACE)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (grpc.StatusCode.UNAVAILABLE, UnavailableError),
    ],
)
def test_a_refusal_quotes_the_server(
    connect: Connect, rollouts: Rollouts, target: str, code: grpc.StatusCode, error: type[Exception]
) -> None:
    rollouts.refusal = (code, "for this reason")
    with pytest.raises(error, match=f"{target}: .*for this reason"):
        connect(target).describe_rollout(SPACE)


def test_a_server_of_an_earlier_version_refuses(connect: Connect, target: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{target}: "):
        connect(target).describe_rollout(SPACE)


def test_a_stopped_server_is_unavailable_and_a_closed_client_raises_closed_error(
    connect: Connect, server: DictEmbArk
) -> None:
    with serving(server) as target:
        client = connect(target)
    with pytest.raises(UnavailableError):
        client.describe_rollout(SPACE, timeout=1)
    client.close()
    with pytest.raises(ClosedError):
        client.describe_rollout(SPACE)
