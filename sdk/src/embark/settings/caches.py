"""Makes the settings of the services from the spec of their cache; the operator and the local mode call it."""

from collections.abc import Sequence
from typing import NamedTuple

from embark.errors import InvalidSpecError
from embark.names import cache_name, consumer_group, dead_letters_topic, fills_topic, retina_target
from embark.settings.services import (
    EmbArkSettings,
    KfcSettings,
    RetinaSettings,
    Serving,
    StoreSettings,
    TopicSettings,
    find_vector_fault,
)
from embark.space import Space, space_of
from embark.spec import EmbArk, EmbeddingCache, Encoder


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
    fault = find_vector_fault(spec.miss.oov, space, vector)
    if fault:
        raise InvalidSpecError("spec.miss.oovVectorConfigMap", fault)
    name = cache_name(cache)
    store = StoreSettings(cassandra=spec.store.cassandra, ttl=spec.store.ttl)
    topic = TopicSettings(
        kafka=spec.topic.kafka,
        fills=fills_topic(cache),
        dead_letters=dead_letters_topic(cache),
    )
    kfc = KfcSettings(
        cache=name,
        space=space,
        store=store,
        topic=topic,
        retry=spec.topic.retry,
        negative_ttl=spec.miss.negative_ttl,
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
        serving=_serving(spec.embark),
        oov=spec.miss.oov,
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
