"""Requests for fills: one per key and repeat window, never blocking."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from embark.clock import Micros
from embark.statuses import KeyStatus
from embark.topic import Fill, FillProducer
from embark_server.calls import CallContext, MissQuota, TenantQuotas

# About 200 bytes per key: at most 40 MB. Beyond that the oldest marks are dropped, and their keys may be sent twice.
MAX_MARKS: Final = 200_000


@dataclass(frozen=True, slots=True)
class FillOptions:
    """What the fills of one call share: the time of the request, the headers of its records, and the quota."""

    requested_at: Micros
    headers: Mapping[str, bytes] = field(default_factory=dict)
    quota: MissQuota | None = None
    """The quota of the calling tenant; None for no limit."""


class RepeatWindow:
    """The keys requested within the last `window` microseconds, at most `limit` of them; thread-safe."""

    def __init__(self, window: Micros, limit: int = MAX_MARKS) -> None:
        self._window = window
        self._limit = limit
        self._lock = threading.Lock()
        self._marks: OrderedDict[bytes, Micros] = OrderedDict()

    def __len__(self) -> int:
        return len(self._marks)

    def claim(self, keys: Iterable[bytes], now: Micros) -> set[bytes]:
        """Mark the keys without a mark in this window and return them; of concurrent callers only one gets a key."""
        claimed = set()
        with self._lock:
            self._drop_old(now)
            for key in keys:
                if key not in self._marks:
                    self._mark(key, now)
                    claimed.add(key)
        return claimed

    def mark(self, keys: Iterable[bytes], now: Micros) -> None:
        """Mark keys, whether or not they have a mark."""
        with self._lock:
            self._drop_old(now)
            for key in keys:
                self._marks.pop(key, None)
                self._mark(key, now)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Remove marks, so that the keys can be claimed again at once."""
        with self._lock:
            for key in keys:
                self._marks.pop(key, None)

    def _mark(self, key: bytes, now: Micros) -> None:
        self._marks[key] = now
        if len(self._marks) > self._limit:
            self._marks.popitem(last=False)

    def _drop_old(self, now: Micros) -> None:
        # Marks are in the order of their times, so the old ones come first. After the clock was set back, marks of the
        # future would stay for ever; they are dropped too.
        while self._marks:
            key, marked = next(iter(self._marks.items()))
            if now - self._window < marked <= now:
                return
            del self._marks[key]


class Fills:
    """Produces fill requests and marks their keys in the repeat window, within the room of the topic and the quota."""

    def __init__(self, producer: FillProducer, window: RepeatWindow, quotas: TenantQuotas) -> None:
        self._producer = producer
        self._window = window
        self._quotas = quotas

    def options(self, call: CallContext, at: Micros) -> FillOptions:
        """Return what the fills of a call share."""
        return FillOptions(at, call.headers(), self._quotas.find(call))

    def request(
        self, keys: Sequence[bytes], options: FillOptions, not_before: Mapping[bytes, Micros]
    ) -> dict[bytes, KeyStatus]:
        """Request a fill of each key.

        Return OOV_ENQUEUED, OOV_PENDING (already requested in this window) or SHED (no room) for each. For keys in
        `not_before`, only a row written at or after that time counts as filled.
        """
        claimed = self._window.claim(keys, options.requested_at)
        statuses = self._produce([key for key in keys if key in claimed], options, not_before)
        for key in keys:
            statuses.setdefault(key, KeyStatus.OOV_PENDING)
        return statuses

    def request_again(self, keys: Sequence[bytes], options: FillOptions, not_before: Micros) -> dict[bytes, KeyStatus]:
        """Request fills even for keys already requested in this window; return OOV_ENQUEUED or SHED for each."""
        self._window.mark(keys, options.requested_at)
        return self._produce(keys, options, dict.fromkeys(keys, not_before))

    def _produce(
        self, keys: Sequence[bytes], options: FillOptions, not_before: Mapping[bytes, Micros]
    ) -> dict[bytes, KeyStatus]:
        statuses = {}
        quota, at = options.quota, options.requested_at
        allowed = len(keys) if quota is None else quota.take(len(keys), at)
        # Unmarked at once, or the same key would be OOV_PENDING for another tenant.
        self._window.forget(keys[allowed:])
        for key in keys[allowed:]:
            statuses[key] = KeyStatus.SHED
        for key in keys[:allowed]:
            fill = Fill(key, at, not_before.get(key, 0))
            taken = self._producer.produce(key, fill.to_bytes(), options.headers)
            statuses[key] = KeyStatus.OOV_ENQUEUED if taken else KeyStatus.SHED
        shed = [key for key, status in statuses.items() if status is KeyStatus.SHED]
        if shed:
            self._window.forget(shed)
        return statuses
