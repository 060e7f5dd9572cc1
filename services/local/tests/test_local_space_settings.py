"""The settings of a space that is not the manifest's."""

from embark.space import Space
from embark.spec import EmbeddingCache, Encoder, Oov
from embark_local.space_settings import filling_settings, serving_settings
from embark_testing.caches import sample

VECTOR = (0.5,) * 384


def smaller(cache: EmbeddingCache) -> Encoder:
    output = cache.spec.encoder.output.model_copy(update={"dimension": 2})
    return cache.spec.encoder.model_copy(update={"output": output})


def test_an_old_space_is_served_and_filled_by_its_own_encoder() -> None:
    cache = sample("titles")
    old = smaller(cache)
    settings = serving_settings(cache, old, grpc_port=7)
    assert settings.embark.active == settings.kfc.space == settings.retina.space == Space.from_encoder(old)
    assert settings.kfc.consumer_group.endswith(Space.from_encoder(old).id)
    assert (settings.embark.listen.host, settings.embark.listen.grpc_port) == ("127.0.0.1", 7)


def test_a_previous_space_is_served_beside_the_active_one() -> None:
    cache = sample("titles")
    old = smaller(cache)
    settings = serving_settings(cache, cache.spec.encoder, old).embark
    assert (settings.active, settings.previous) == (Space.from_encoder(cache.spec.encoder), Space.from_encoder(old))


def test_an_oov_vector_of_the_new_space_is_never_served_in_the_old_one() -> None:
    cache = sample("titles", miss={"oov": "Vector", "oovVectorConfigMap": "mean"})
    new = serving_settings(cache, cache.spec.encoder, oov_vector=VECTOR).embark
    assert (new.oov, new.oov_vector) == (Oov.VECTOR, VECTOR)
    old = serving_settings(cache, smaller(cache), oov_vector=VECTOR).embark
    assert (old.oov, old.oov_vector) == (Oov.ZEROS, None)


def test_a_candidate_is_filled_from_its_source_on_free_ports() -> None:
    cache = sample("titles")
    settings = filling_settings(cache, smaller(cache), "0123456789ab")
    assert settings.kfc.source == "0123456789ab"
    assert settings.kfc.space == settings.retina.space == Space.from_encoder(smaller(cache))
    assert {settings.kfc.listen.grpc_port, settings.kfc.listen.probes_port, settings.retina.listen.grpc_port} == {0}
