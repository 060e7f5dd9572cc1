"""kopf's watches of caches and their children; an event only says which cache has to be reconciled.

kopf's handlers of creations and updates record what they handled in annotations, and its timers and daemons need
finalizers. Its handlers of plain events write nothing: a cache at rest does not change, and a cache can be deleted
without its operator, unless its keyspace is deleted with it (see `cluster.finalizers`).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

import kopf

from embark_operator.cluster.kinds import CACHE, CHILD_KINDS, Kind
from embark_operator.names import CACHE_LABEL, FIELD_MANAGER, MANAGED_BY_LABEL
from embark_operator.result import Key

# A watch that is silent for longer is given up; the API server sends bookmarks more often.
_SILENCE_SECONDS: Final = 70.0
_WATCH_SECONDS: Final = 600


class CacheQueue(Protocol):
    """Receives the caches to reconcile."""

    def add(self, key: Key) -> None:
        """Enqueue a cache."""
        ...

    def forget(self, key: Key) -> None:
        """Forget a deleted cache."""
        ...


class KnownCaches:
    """The caches of the cluster; each is enqueued again after every resync period. For one event loop."""

    def __init__(self, queue: CacheQueue) -> None:
        self._queue = queue
        self._known: set[Key] = set()

    def __len__(self) -> int:
        """Return how many caches are known."""
        return len(self._known)

    def update(self, key: Key, *, deleted: bool) -> None:
        """Record an event of a cache."""
        if deleted:
            self._known.discard(key)
            self._queue.forget(key)
        else:
            self._known.add(key)
            self._queue.add(key)

    async def resync(self, period: timedelta) -> None:
        """Enqueue every cache once per period, spread evenly over it, until cancelled."""
        while True:
            keys = sorted(self._known)
            for key in keys:
                await asyncio.sleep(period.total_seconds() / len(keys))
                self._queue.add(key)
            if not keys:
                await asyncio.sleep(period.total_seconds())


def watch(caches: KnownCaches, queue: CacheQueue) -> kopf.OperatorRegistry:
    """Return the handlers that pass every event to `caches` and `queue`."""
    registry = kopf.OperatorRegistry()

    def cache_changed(namespace: str | None, name: str, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        caches.update(Key(namespace or "", name), deleted=type == "DELETED")

    def child_changed(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        if CACHE_LABEL in labels:
            queue.add(Key(namespace or "", labels[CACHE_LABEL]))

    _on_event(registry, CACHE, cache_changed)
    for kind in CHILD_KINDS:
        _on_event(registry, kind, child_changed)
    kopf.on.login(registry=registry)(kopf.login_via_client)
    return registry


def watch_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: bounded watches, endless retries, no Events from kopf itself."""
    settings = kopf.OperatorSettings()
    settings.watching.inactivity_timeout = _SILENCE_SECONDS
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.client_timeout = _WATCH_SECONDS + _SILENCE_SECONDS
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 5, 5)
    settings.execution.default_backoff = 2
    settings.posting.enabled = False
    # The operator does not need to know of new kinds in the cluster, nor the right to list them.
    settings.scanning.disabled = True
    for kind in CHILD_KINDS:
        selector = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return settings


def _on_event(registry: kopf.OperatorRegistry, kind: Kind, changed: Callable[..., None]) -> None:
    async def on_loop(**event: Any) -> None:
        changed(**event)  # kopf runs plain functions in threads, but the queue belongs to the event loop

    kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, id=kind.plural, registry=registry)(
        on_loop
    )
