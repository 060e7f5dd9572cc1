from typing import Any

import pytest

from embark.errors import InvalidSpecError
from embark.names import cache_name, consumer_group, dead_letters_topic, embeddings_table, fills_topic, retina_target
from embark.settings import CacheSettings, EmbArkSettings, settings_for
from embark.space import Space
from embark.spec import EmbArk, EmbeddingCache, Serving


def build_cache(document: dict[str, Any]) -> EmbeddingCache:
    document["metadata"]["namespace"] = "team"
    document["spec"]["encoder"] |= {"batch": {"maxSize": 7}, "fetch": {"allowedPrivateNetworks": ["10.0.0.0/8"]}}
    document["spec"]["store"]["ttl"] = "24h"
    document["spec"]["topic"]["retry"] = {"maxAttempts": 9}
    document["spec"]["embark"] = {"readTimeout": "75ms", "replicas": 2}
    document["spec"]["kfc"] = {"maxInflight": 3}
    return EmbeddingCache.model_validate(document)


@pytest.mark.parametrize("service", CacheSettings._fields)
def test_settings_read_back_from_the_json_in_a_config_map(document: dict[str, Any], service: str) -> None:
    settings = getattr(settings_for(build_cache(document)), service)
    assert type(settings).model_validate_json(settings.model_dump_json(by_alias=True)) == settings


def test_each_service_gets_what_the_cache_declares(document: dict[str, Any]) -> None:
    cache = build_cache(document)
    space = Space.from_encoder(cache.spec.encoder)
    embark, kfc, retina = settings_for(cache)
    assert embark.active == kfc.space == retina.space == space
    assert embark.cache == kfc.cache == retina.cache == "team/thumbnails"
    assert (embark.store, embark.topic) == (kfc.store, kfc.topic)
    assert embark.store.ttl.total_seconds() == 24 * 3600
    assert (embark.topic.fills, embark.topic.dead_letters) == ("team.thumbnails.fills", "team.thumbnails.dead-letters")
    assert embark.serving == cache.spec.embark.to_serving()
    assert embark.serving.read_timeout.total_seconds() == 0.075
    assert (kfc.max_inflight, kfc.encode_items, kfc.retry.max_attempts) == (3, 7, 9)
    assert kfc.retina == retina_target(cache, space.id)
    assert kfc.consumer_group == consumer_group(cache, space.id)
    assert (retina.model, retina.batch, retina.fetch) == (
        cache.spec.encoder.model,
        cache.spec.encoder.batch,
        cache.spec.encoder.fetch,
    )


def test_the_server_gets_every_field_of_serving_and_no_other_of_spec_embark(document: dict[str, Any]) -> None:
    embark = build_cache(document).spec.embark
    serving = embark.to_serving()
    assert type(serving) is Serving
    assert serving.model_dump() == {name: embark.model_dump()[name] for name in Serving.model_fields}
    assert set(EmbArk.model_fields) - set(Serving.model_fields) == {
        "resources",
        "scheduling",
        "autoscaling",
        "replicas",
    }


def test_settings_depend_on_neither_replicas_nor_resources(document: dict[str, Any]) -> None:
    plain = settings_for(build_cache(document))
    for part, replicas in (("embark", 5), ("kfc", 3), ("retina", 2)):
        section = document["spec"].get(part, {})
        document["spec"][part] = section | {"replicas": replicas, "resources": {"limits": {"cpu": "3"}}}
    assert settings_for(EmbeddingCache.model_validate(document)) == plain


def test_settings_of_another_space_name_only_that_space(document: dict[str, Any]) -> None:
    cache = build_cache(document)
    other = Space.from_encoder(cache.spec.encoder).model_copy(update={"dimension": 3})
    embark, kfc, retina = settings_for(cache, other)
    assert embark.active == kfc.space == retina.space == other
    assert other.id in kfc.consumer_group
    assert other.id in kfc.retina


def test_a_given_oov_vector_must_fit_the_space(document: dict[str, Any]) -> None:
    document["spec"]["miss"] = {"oov": "Vector", "oovVectorConfigMap": "oov"}
    document["spec"]["encoder"]["output"]["dimension"] = 3
    cache = EmbeddingCache.model_validate(document)
    embark = settings_for(cache, oov_vector=[1, 2, 3]).embark
    assert list(embark.oov_vector or ()) == [1, 2, 3]
    assert EmbArkSettings.model_validate_json(embark.model_dump_json(by_alias=True)) == embark
    for wrong in (None, [1, 2], [1, 2, float("inf")]):
        with pytest.raises(InvalidSpecError, match=r"spec\.miss\.oovVectorConfigMap"):
            settings_for(cache, oov_vector=wrong)


def test_an_oov_vector_that_is_not_requested_is_rejected(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError, match="oov is Zeros"):
        settings_for(EmbeddingCache.model_validate(document), oov_vector=[0.0] * 1280)


def test_names_are_those_of_the_design(document: dict[str, Any]) -> None:
    cache = build_cache(document)
    assert cache_name(cache) == "team/thumbnails"
    assert fills_topic(cache) == "team.thumbnails.fills"
    assert dead_letters_topic(cache) == "team.thumbnails.dead-letters"
    assert consumer_group(cache, "7bdb635910b3") == "team.thumbnails.7bdb635910b3"
    assert embeddings_table("7bdb635910b3") == "embeddings_7bdb635910b3"
    assert retina_target(cache, "7bdb635910b3") == "dns:///thumbnails-retina-7bdb635910b3.team:50051"


@pytest.mark.parametrize(
    ("name", "dead_letters"), [("mine.fills", "mine.dead-letters"), ("images", "images.dead-letters")]
)
def test_a_named_topic_has_dead_letters_of_that_name(document: dict[str, Any], name: str, dead_letters: str) -> None:
    document["spec"]["topic"]["kafka"]["name"] = name
    cache = EmbeddingCache.model_validate(document)
    assert (fills_topic(cache), dead_letters_topic(cache)) == (name, dead_letters)


def test_names_are_within_the_limits_of_dns_kafka_and_cassandra(document: dict[str, Any]) -> None:
    document["metadata"] |= {"name": "n" * 40, "namespace": "s" * 63}
    cache = EmbeddingCache.model_validate(document)
    # At most 63 characters for a DNS label, 249 for a topic of Kafka, 48 for a table of Cassandra.
    labels = retina_target(cache, "a" * 12).removeprefix("dns:///").split(":")[0].split(".")
    assert max(len(label) for label in labels) <= 63
    assert max(len(fills_topic(cache)), len(dead_letters_topic(cache))) <= 249
    assert len(embeddings_table("a" * 12)) <= 48
