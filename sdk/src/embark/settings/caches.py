"""Building the settings of the services from their cache."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from embark.errors import InvalidSpecError
from embark.names import cache_name, consumer_group, dead_letters_topic, fills_topic, retina_target
from embark.settings.services import (
    EmbArkSettings,
    KfcSettings,
    RetinaSettings,
    StoreSettings,
    TlsSettings,
    TopicSettings,
    find_vector_fault,
)
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder

TLS_FOLDER: Final = "/var/run/secrets/embark.dev/tls"
"""Where the Secret of spec.tls is mounted."""


class CacheSettings(NamedTuple):
    """The settings of all three services for one space."""

    embark: EmbArkSettings
    kfc: KfcSettings
    retina: RetinaSettings


class FillingSettings(NamedTuple):
    """The settings of the two services that fill one space."""

    kfc: KfcSettings
    retina: RetinaSettings


def settings_for(
    cache: EmbeddingCache,
    space: Space | None = None,
    *,
    oov_vector: Sequence[float] | None = None,
    previous: Space | None = None,
    source: str = "",
) -> CacheSettings:
    """Return the services' settings for `space`, by default the one that the cache's encoder writes.

    `oov_vector` is the vector in the ConfigMap of `spec.miss.oovVectorConfigMap`, `previous` the space that is still
    served to lookups that pin it, and `source` the id of the space that `space` is re-embedded from.

    Raises:
        InvalidSpecError: miss.oov is Vector and the vector is missing or not one of the space, or the reverse.
    """
    spec = cache.spec
    space = space or Space.from_encoder(spec.encoder)
    vector = None if oov_vector is None else tuple(oov_vector)
    fault = find_vector_fault(spec.miss.oov, space, vector)
    if fault:
        raise InvalidSpecError("spec.miss.oovVectorConfigMap", fault)
    embark = EmbArkSettings(
        cache=cache_name(cache),
        active=space,
        previous=previous,
        store=_store(cache),
        topic=_topic(cache),
        serving=spec.embark.to_serving(),
        oov=spec.miss.oov,
        oov_vector=vector,
        tenants=spec.tenants,
        tls=_tls(cache, authorized=spec.tls.authorized_identities),
    )
    return CacheSettings(embark, *filling_settings_for(cache, space, source=source))


def filling_settings_for(cache: EmbeddingCache, space: Space | None = None, *, source: str = "") -> FillingSettings:
    """Return only the settings of KFC and Retina; see settings_for."""
    spec = cache.spec
    space = space or Space.from_encoder(spec.encoder)
    kfc = KfcSettings(
        cache=cache_name(cache),
        space=space,
        store=_store(cache),
        topic=_topic(cache),
        retry=spec.topic.retry,
        negative_ttl=spec.miss.negative_ttl,
        consumer_group=consumer_group(cache, space.id),
        source=source,
        retina=retina_target(cache, space.id),
        max_inflight=spec.kfc.max_inflight,
        encode_items=spec.encoder.batch.max_size,
        retina_tls=_tls(cache),
    )
    return FillingSettings(kfc, _retina_settings(cache, space, spec.encoder))


def _store(cache: EmbeddingCache) -> StoreSettings:
    return StoreSettings(cassandra=cache.spec.store.cassandra, ttl=cache.spec.store.ttl)


def _topic(cache: EmbeddingCache) -> TopicSettings:
    return TopicSettings(
        kafka=cache.spec.topic.kafka,
        fills=fills_topic(cache),
        dead_letters=dead_letters_topic(cache),
    )


def _retina_settings(cache: EmbeddingCache, space: Space, encoder: Encoder) -> RetinaSettings:
    return RetinaSettings(
        cache=cache_name(cache),
        space=space,
        model=encoder.model,
        provider=encoder.provider,
        batch=encoder.batch,
        fetch=encoder.fetch,
        tls=_tls(cache),
    )


def tls_server_name(cache: EmbeddingCache) -> str:
    """Return the name in the certificate of spec.tls, in addition to those of the Services."""
    return cache.spec.tls.server_name or f"{cache.metadata.name}.{cache.metadata.namespace}"


def _tls(cache: EmbeddingCache, authorized: tuple[str, ...] = ()) -> TlsSettings | None:
    tls = cache.spec.tls
    if not tls.secret:
        return None
    return TlsSettings(
        folder=TLS_FOLDER,
        client_certificates=tls.client_certificates,
        authorized_identities=authorized,
        server_name=tls_server_name(cache),
    )
