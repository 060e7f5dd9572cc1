"""The counts that the second port tells, the store asked for them seldom: whoever may read metrics may read these."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from embark.clock import Clock, Micros, micros
from embark.counts import LookupTimes, RolloutCounts, SpaceEntries
from embark.errors import UnavailableError
from embark.rpc.probes import Page
from embark_server.guarded_store import GuardedStore
from embark_server.rollouts import describe_rollout
from embark_server.spaces import ServedSpaces

# A count reads many rows; the checkpoints of a rollout are a few hundred small ones.
_ENTRIES_KEPT: Final = timedelta(seconds=30)
_ROLLOUT_KEPT: Final = timedelta(seconds=2)


class Counts:
    """Counts entries of the active space, keys that a rollout has done, and look-ups by the time they took."""

    def __init__(
        self, spaces: ServedSpaces, store: GuardedStore, clock: Clock, lookup_times: Callable[[], LookupTimes]
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._lookup_times = lookup_times
        self._entries = Recent(micros(_ENTRIES_KEPT), clock)
        self._rollout = Recent(micros(_ROLLOUT_KEPT), clock)

    @property
    def pages(self) -> Mapping[str, Page]:
        """What the second port serves beside the probes; see embark.counts."""
        return {
            "entries": lambda _: self._count(),
            "rollout": self._sum_up,
            "lookups": lambda _: _json(self._lookup_times()),
        }

    def _count(self) -> str:
        space = self._spaces.active.id
        return self._entries.get(space, lambda: _json(SpaceEntries(space=space, entries=self._store.count(space))))

    def _sum_up(self, space: str) -> str:
        def ask() -> str:
            told = describe_rollout(space, self._store)
            return _json(RolloutCounts(done=told.done, failed=told.failed))

        return self._rollout.get(space, ask)


class Recent:
    """The last answer, asked for anew once it is `kept` old or something else is asked; by one caller at a time."""

    def __init__(self, kept: Micros, clock: Clock) -> None:
        self._kept: Final = kept
        self._clock: Final = clock
        self._asking: Final = threading.Lock()
        self._known: tuple[str, Micros, str] | None = None

    def get(self, name: str, ask: Callable[[], str]) -> str:
        """Return what is known of `name`, or what `ask` returns; what it raises goes to the caller.

        Raises:
            UnavailableError: another caller is asking.
        """
        known = self._known
        # A clock that was set back must not keep an answer for ever.
        if known and known[0] == name and 0 <= self._clock() - known[1] < self._kept:
            return known[2]
        if not self._asking.acquire(blocking=False):
            raise UnavailableError("EmbArk", "it is being counted; ask again")
        try:
            answer = ask()
            self._known = (name, self._clock(), answer)
            return answer
        finally:
            self._asking.release()


def _json(counted: SpaceEntries | RolloutCounts | LookupTimes) -> str:
    return counted.model_dump_json(by_alias=True)
