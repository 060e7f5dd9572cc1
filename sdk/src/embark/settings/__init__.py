"""The settings of each service, made from the cache by one pure function.

The operator mounts them as JSON, the service parses the same class, the local mode passes the objects in memory.
"""

from embark.settings.caches import CacheSettings, settings_for
from embark.settings.services import (
    EmbArkSettings,
    KfcSettings,
    Listen,
    RetinaSettings,
    Serving,
    StoreSettings,
    TopicSettings,
)

__all__ = [
    "CacheSettings",
    "EmbArkSettings",
    "KfcSettings",
    "Listen",
    "RetinaSettings",
    "Serving",
    "StoreSettings",
    "TopicSettings",
    "settings_for",
]
