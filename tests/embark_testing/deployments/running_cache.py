"""A running cache of a pipeline test, with its client and the store and topic that can be made to fail."""

from dataclasses import dataclass

from embark.client import EmbArkClient
from embark.settings import CacheSettings
from embark_local.compose import Local
from embark_testing.faults import FaultyStore, FaultyTopic


@dataclass(frozen=True)
class Cache:
    """A running cache, its client, and its parts."""

    local: Local
    client: EmbArkClient
    store: FaultyStore
    topic: FaultyTopic
    settings: CacheSettings
