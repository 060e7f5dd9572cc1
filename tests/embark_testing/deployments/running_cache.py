"""A running cache of a pipeline test: its client, its parts, and the switches of its faults."""

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
