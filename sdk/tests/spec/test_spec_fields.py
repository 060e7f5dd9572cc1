from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from embark.spec import EmbeddingCache
from embark.spec.model import Model


def walk_models(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Model):
                yield from walk_models(part)


MODELS = sorted(set(walk_models(EmbeddingCache)), key=lambda model: model.__name__)


def test_the_walk_finds_the_walk_models_every_section() -> None:
    assert {"Fetch", "Retry", "Condition", "AuthorizedClient", "LagAutoscaling", "Gpu"} <= {m.__name__ for m in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_description(model: type[Model]) -> None:
    silent = [name for name, field in model.model_fields.items() if not (field.description or "").strip()]
    assert silent == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen(model: type[Model]) -> None:
    assert model.model_config["frozen"]


# The defaults of the design; durations and sizes as they are stored.
DESIGN = {
    "spec.paused": False,
    "spec.encoder.role": "",
    "spec.encoder.output.tensor": "embedding",
    "spec.encoder.output.dtype": "float32",
    "spec.encoder.output.normalization": "none",
    "spec.encoder.provider": "cpu",
    "spec.encoder.batch.max_size": 16,
    "spec.encoder.batch.max_delay": timedelta(milliseconds=5),
    "spec.encoder.fetch.schemes": ("https", "http"),
    "spec.encoder.fetch.allowed_private_networks": (),
    "spec.encoder.fetch.max_bytes": 10 * 2**20,
    "spec.encoder.fetch.max_pixels": 25_000_000,
    "spec.encoder.fetch.timeout": timedelta(seconds=5),
    "spec.encoder.fetch.max_redirects": 3,
    "spec.encoder.fetch.per_host_concurrency": 8,
    "spec.store.cassandra.port": 9042,
    "spec.store.cassandra.datacenter": "datacenter1",
    "spec.store.cassandra.replication_factor": 1,
    "spec.store.cassandra.consistency.read": "LOCAL_ONE",
    "spec.store.cassandra.consistency.write": "LOCAL_QUORUM",
    "spec.store.cassandra.credentials_secret": "",
    "spec.store.cassandra.tls_secret": "",
    "spec.store.ttl": timedelta(0),
    "spec.store.deletion_policy": "Retain",
    "spec.topic.kafka.name": "",
    "spec.topic.kafka.partitions": 12,
    "spec.topic.kafka.replication_factor": 1,
    "spec.topic.kafka.credentials_secret": "",
    "spec.topic.kafka.tls_secret": "",
    "spec.topic.retry.max_attempts": 5,
    "spec.topic.retry.initial_backoff": timedelta(seconds=1),
    "spec.topic.retry.max_backoff": timedelta(minutes=5),
    "spec.miss.oov": "Zeros",
    "spec.miss.oov_vector_config_map": "",
    "spec.miss.negative_ttl.not_found": timedelta(hours=24),
    "spec.miss.negative_ttl.undecodable": timedelta(hours=168),
    "spec.miss.negative_ttl.blocked": timedelta(hours=168),
    "spec.miss.negative_ttl.unreachable": timedelta(minutes=5),
    "spec.rollout.approval": "Auto",
    "spec.rollout.min_coverage": 0.99,
    "spec.rollout.max_failure_ratio": 0.01,
    "spec.rollout.parallelism": 2,
    "spec.rollout.max_keys_per_second": 0,
    "spec.rollout.keep_previous": timedelta(hours=72),
    "spec.embark.hot_tier.max_bytes": 256 * 2**20,
    "spec.embark.hot_tier.ttl": timedelta(seconds=60),
    "spec.embark.max_keys_per_request": 1024,
    "spec.embark.read_timeout": timedelta(milliseconds=50),
    "spec.kfc.max_inflight": 4,
    "spec.retina.gpu.count": 0,
    "spec.retina.gpu.resource_name": "nvidia.com/gpu",
    "spec.mesh.provider": "none",
    "spec.mesh.authorized_clients": (),
    "spec.network.policies": True,
    "spec.network.clients": (),
    "spec.network.monitoring": (),
    "metadata.namespace": "default",
}


@pytest.mark.parametrize(("path", "expected"), DESIGN.items(), ids=DESIGN)
def test_defaults_are_those_of_the_design(document: dict[str, Any], path: str, expected: object) -> None:
    value: Any = EmbeddingCache.model_validate(document)
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize(
    ("section", "least", "most", "target"),
    [
        ("embark", 2, 10, ("targetCPU", 70)),
        ("kfc", 1, 12, ("lagThreshold", 100)),
        ("retina", 1, 4, ("targetCPU", 80)),
    ],
)
def test_empty_autoscaling_has_default_bounds(
    document: dict[str, Any], section: str, least: int, most: int, target: tuple[str, int]
) -> None:
    document["spec"][section] = {"autoscaling": {}}
    cache = EmbeddingCache.model_validate(document)
    scaling = getattr(cache.spec, section).autoscaling.model_dump(by_alias=True)
    assert (scaling["min"], scaling["max"], scaling[target[0]]) == (least, most, target[1])


def test_a_parsed_cache_cannot_be_changed(document: dict[str, Any]) -> None:
    cache = EmbeddingCache.model_validate(document)
    with pytest.raises(ValidationError, match="frozen"):
        cache.spec.encoder.output.dimension = 3  # type: ignore[misc]
