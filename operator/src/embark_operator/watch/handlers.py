"""What kopf watches: caches and their children. An event says which cache may need a pass, and nothing more.

kopf's handlers of creations and updates note in annotations what they have handled, and its timers and daemons need
finalizers. Its handlers of plain events write nothing, so that a cache at rest stays as it is, and one whose operator
is gone can be deleted, unless its keyspace goes with it; see finalizers.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

import kopf

from embark_operator.cluster import kinds
from embark_operator.cluster.kinds import CHILD_KINDS, Kind
from embark_operator.names import CACHE_LABEL, FIELD_MANAGER, MANAGED_BY_LABEL
from embark_operator.result import Key

# A watch that has gone silent is given up after this; the API server sends bookmarks more often.
_SILENCE_SECONDS: Final = 70.0
_WATCH_SECONDS: Final = 600


class CacheQueue(Protocol):
    """What the events are told to."""

    def add(self, key: Key) -> None:
        """Make a cache due for a pass."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a cache that is gone."""
        ...


class KnownCaches:
    """The caches that are known; every one is due again after each resync period. For one event loop."""

    def __init__(self, due: CacheQueue) -> None:
        self._due: Final = due
        self._known: Final[set[Key]] = set()

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def seen(self, key: Key, *, gone: bool) -> None:
        """Note that a cache was seen, or seen going."""
        if gone:
            self._known.discard(key)
            self._due.forget(key)
        else:
            self._known.add(key)
            self._due.add(key)

    async def resync(self, period: timedelta) -> None:
        """Make every cache due once a period, evenly spread over it, until cancelled."""
        while True:
            keys = sorted(self._known)
            for key in keys:
                await asyncio.sleep(period.total_seconds() / len(keys))
                self._due.add(key)
            if not keys:
                await asyncio.sleep(period.total_seconds())


def watch(caches: KnownCaches, due: CacheQueue) -> kopf.OperatorRegistry:
    """Return the handlers that tell `caches` and `due` of every event."""
    registry = kopf.OperatorRegistry()

    def cache_changed(namespace: str | None, name: str, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        caches.seen(Key(namespace or "", name), gone=type == "DELETED")

    def child_changed(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        if CACHE_LABEL in labels:
            due.add(Key(namespace or "", labels[CACHE_LABEL]))

    _on_event(registry, kinds.CACHE, cache_changed)
    for kind in CHILD_KINDS:
        _on_event(registry, kind, child_changed)
    kopf.on.login(registry=registry)(kopf.login_via_client)
    return registry


def watch_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: bounded watches, retries that keep trying, no Events of its own."""
    settings = kopf.OperatorSettings()
    settings.watching.inactivity_timeout = _SILENCE_SECONDS
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.client_timeout = _WATCH_SECONDS + _SILENCE_SECONDS
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 5, 5)
    settings.execution.default_backoff = 2
    settings.posting.enabled = False
    # Whether new kinds appear in the cluster is not this operator's concern, and no right it has to have.
    settings.scanning.disabled = True
    for kind in CHILD_KINDS:
        selector = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return settings


def _on_event(registry: kopf.OperatorRegistry, kind: Kind, changed: Callable[..., None]) -> None:
    async def on_loop(**event: Any) -> None:
        changed(**event)  # kopf runs plain functions in threads, and the queue is of the event loop

    kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, id=kind.plural, registry=registry)(
        on_loop
    )
