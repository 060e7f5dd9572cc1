"""The settings of each service, made from the cache by one pure function.

The operator mounts them as JSON, the service parses the same class, the local mode passes the objects in memory.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from embark.errors import InvalidSpecError
from embark.names import cache_name, consumer_group, dead_letters_topic, fills_topic, retina_target
from embark.space import Space, space_of
from embark.spec import (
    Batch,
    Cassandra,
    EmbArk,
    EmbeddingCache,
    Encoder,
    Fetch,
    HotTier,
    Kafka,
    Miss,
    Oov,
    Provider,
    Retry,
)
from embark.spec.encoder import ModelFile
from embark.spec.model import Model
from embark.spec.quantities import Duration, Size


class Listen(Model):
    """Where a service listens; port 0 takes a free one."""

    host: str = "0.0.0.0"
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    probes_port: int = Field(default=8080, ge=0, le=65535)
    drain: Duration = Field(default="10s", validate_default=True)
    """How long calls in flight may take to end once the service stops."""


class StoreSettings(Model):
    """The store of a cache, as both EmbArk and KFC open it."""

    cassandra: Cassandra
    ttl: Duration


class TopicSettings(Model):
    """The topic of a cache, as both EmbArk and KFC open it."""

    kafka: Kafka
    fills: str
    dead_letters: str
    retry: Retry


class Serving(Model):
    """What the look-up server reads of `spec.embark`; how many replicas there are and what they get is not its own."""

    hot_tier: HotTier
    max_keys_per_request: int
    read_timeout: Duration


class EmbArkSettings(Model):
    """What the look-up server needs."""

    cache: str
    active: Space
    previous: Space | None = None
    """Still served to look-ups that pin it."""
    store: StoreSettings
    topic: TopicSettings
    miss: Miss
    serving: Serving
    repeat_window: Duration = Field(default="30s", validate_default=True)
    """Misses of one key within it are sent once."""
    oov_vector: tuple[float, ...] | None = None
    """The OOV embedding of the active space, for miss.oov Vector and only for it."""
    listen: Listen = Listen()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        fault = _find_vector_fault(self.miss, self.active, self.oov_vector)
        if fault:
            raise ValueError(fault)
        return self


class KfcSettings(Model):
    """What the consumer of one space needs."""

    cache: str
    space: Space
    store: StoreSettings
    topic: TopicSettings
    miss: Miss
    consumer_group: str
    retina: str
    """The gRPC target of the space's Retina."""
    max_inflight: int
    encode_items: int
    """Keys of one Encode call, at most."""
    encode_timeout: Duration = Field(default="60s", validate_default=True)
    listen: Listen = Listen()


class RetinaSettings(Model):
    """What the encoder's server needs."""

    cache: str
    space: Space
    model: ModelFile
    provider: Provider
    batch: Batch
    fetch: Fetch
    max_request_bytes: Size = Field(default="64Mi", validate_default=True)
    listen: Listen = Listen()


class CacheSettings(NamedTuple):
    """The settings of all three services for one space."""

    embark: EmbArkSettings
    kfc: KfcSettings
    retina: RetinaSettings


def settings_for(
    cache: EmbeddingCache, space: Space | None = None, *, oov_vector: Sequence[float] | None = None
) -> CacheSettings:
    """Return the services' settings for `space`, by default the one that the cache's encoder writes.

    `oov_vector` is what the ConfigMap of `spec.miss.oovVectorConfigMap` holds.

    Raises:
        InvalidSpecError: miss.oov is Vector and the vector is missing or not one of the space, or the reverse.
    """
    spec = cache.spec
    space = space or space_of(spec.encoder)
    vector = None if oov_vector is None else tuple(oov_vector)
    fault = _find_vector_fault(spec.miss, space, vector)
    if fault:
        raise InvalidSpecError("spec.miss.oovVectorConfigMap", fault)
    name = cache_name(cache)
    store = StoreSettings(cassandra=spec.store.cassandra, ttl=spec.store.ttl)
    topic = TopicSettings(
        kafka=spec.topic.kafka,
        fills=fills_topic(cache),
        dead_letters=dead_letters_topic(cache),
        retry=spec.topic.retry,
    )
    kfc = KfcSettings(
        cache=name,
        space=space,
        store=store,
        topic=topic,
        miss=spec.miss,
        consumer_group=consumer_group(cache, space.id),
        retina=retina_target(cache, space.id),
        max_inflight=spec.kfc.max_inflight,
        encode_items=spec.encoder.batch.max_size,
    )
    embark = EmbArkSettings(
        cache=name,
        active=space,
        store=store,
        topic=topic,
        miss=spec.miss,
        serving=_serving(spec.embark),
        oov_vector=vector,
    )
    return CacheSettings(embark, kfc, _retina_settings(name, space, spec.encoder))


def _serving(embark: EmbArk) -> Serving:
    return Serving(
        hot_tier=embark.hot_tier,
        max_keys_per_request=embark.max_keys_per_request,
        read_timeout=embark.read_timeout,
    )


def _retina_settings(cache: str, space: Space, encoder: Encoder) -> RetinaSettings:
    return RetinaSettings(
        cache=cache,
        space=space,
        model=encoder.model,
        provider=encoder.provider,
        batch=encoder.batch,
        fetch=encoder.fetch,
    )


def _find_vector_fault(miss: Miss, space: Space, vector: tuple[float, ...] | None) -> str:
    if vector is None:
        return "oov is Vector, and no OOV vector is given" if miss.oov is Oov.VECTOR else ""
    if miss.oov is not Oov.VECTOR:
        return f"an OOV vector is given, and oov is {miss.oov}"
    if len(vector) != space.dimension:
        return f"the OOV vector has {len(vector)} elements; the space {space.id} has {space.dimension}"
    if not all(map(math.isfinite, vector)):
        return "the OOV vector has an element that is not finite"
    return ""
