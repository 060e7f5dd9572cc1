"""The settings of each service, made from the cache by one pure function.

The operator mounts them as JSON, the service parses the same class, the local mode passes the objects in memory.
"""

from embark.settings.caches import CacheSettings, FillingSettings, filling_settings_for, settings_for
from embark.settings.jobs import DropScope, DropSettings, ProbesAddress, ReembedSettings, VerifySettings
from embark.settings.services import (
    EmbArkSettings,
    KfcSettings,
    Listen,
    RetinaSettings,
    StoreSettings,
    TlsSettings,
    TopicSettings,
)

__all__ = [
    "CacheSettings",
    "DropScope",
    "DropSettings",
    "EmbArkSettings",
    "FillingSettings",
    "KfcSettings",
    "Listen",
    "ProbesAddress",
    "ReembedSettings",
    "RetinaSettings",
    "StoreSettings",
    "TlsSettings",
    "TopicSettings",
    "VerifySettings",
    "filling_settings_for",
    "settings_for",
]
