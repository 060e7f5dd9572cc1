"""The settings of each service and Job, built from the cache by pure functions.

The operator mounts them as JSON, which the service parses with the same class; the local mode passes the objects.
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
