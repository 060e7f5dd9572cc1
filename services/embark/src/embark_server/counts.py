"""Counts for the second port and DescribeRollout: entries of a space, progress of a rollout, lookup latencies."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Final

from embark.clock import Clock, Micros, micros
from embark.counts import LookupTimes, RolloutCounts, SpaceEntries
from embark.errors import UnavailableError
from embark.rpc.probes import PageHandler
from embark.space import ID_LENGTH
from embark.v1 import embark_pb2 as pb
from embark_server.context import ServerContext
from embark_server.guarded_store import GuardedStore
from embark_server.refusals import InvalidArgumentError

_SPACE_ID: Final = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


class Counts:
    """The pages of the second port; its readers need no certificate, so reads of the store are cached."""

    def __init__(self, context: ServerContext) -> None:
        self._spaces = context.spaces
        self._store = context.store
        self._lookup_times = context.metrics.lookups.lookup_times
        self._entries = CountCache(micros(context.timeouts.entries_ttl), context.clock)
        self._rollout = CountCache(micros(context.timeouts.rollout_ttl), context.clock)

    @property
    def pages(self) -> Mapping[str, PageHandler]:
        """The pages by their name in the path; see embark.counts."""
        return {
            "entries": lambda _: self._count_entries(),
            "rollout": self._count_rollout,
            "lookups": lambda _: _to_json(self._lookup_times()),
        }

    def _count_entries(self) -> str:
        space = self._spaces.active.id
        return self._entries.get(space, lambda: _to_json(SpaceEntries(space=space, entries=self._store.count(space))))

    def _count_rollout(self, space: str) -> str:
        def count() -> str:
            described = describe_rollout(space, self._store)
            return _to_json(RolloutCounts(done=described.done, failed=described.failed))

        return self._rollout.get(space, count)


class CountCache:
    """The latest count, refreshed when it is `ttl` old or another one is requested; by one caller at a time."""

    def __init__(self, ttl: Micros, clock: Clock) -> None:
        self._ttl = ttl
        self._clock = clock
        self._refreshing = threading.Lock()
        self._latest: tuple[str, Micros, str] | None = None

    def get(self, name: str, count: Callable[[], str]) -> str:
        """Return the cached count of `name`, or the result of `count`, whose errors are passed on.

        Raises:
            UnavailableError: another caller is refreshing the count.
        """
        latest = self._latest
        # A clock that was set back must not keep a count for ever.
        if latest and latest[0] == name and 0 <= self._clock() - latest[1] < self._ttl:
            return latest[2]
        if not self._refreshing.acquire(blocking=False):
            raise UnavailableError("EmbArk", "counts are being refreshed; retry")
        try:
            counted = count()
            self._latest = (name, self._clock(), counted)
            return counted
        finally:
            self._refreshing.release()


def describe_rollout(space: str, store: GuardedStore) -> pb.DescribeRolloutResponse:
    """Return the progress of the re-embedding into `space`, summed over its ranges; zeros if it has not begun.

    The space need not be served.

    Raises:
        InvalidArgumentError: `space` is not a space id.
        UnavailableError: the store failed, or has no checkpoints.
    """
    if not _SPACE_ID.fullmatch(space):
        raise InvalidArgumentError(f"{space[:64]!r} is not a space id; a space id has {ID_LENGTH} hex digits")
    ranges = store.progress(space)
    return pb.DescribeRolloutResponse(
        ranges_begun=len(ranges),
        ranges_over=sum(progress.finished for progress in ranges),
        done=sum(progress.done for progress in ranges),
        failed=sum(progress.failed for progress in ranges),
    )


def _to_json(counted: SpaceEntries | RolloutCounts | LookupTimes) -> str:
    return counted.model_dump_json(by_alias=True)
