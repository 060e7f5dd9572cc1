import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from embark.manifest import parse_manifest
from embark.space import Space, VectorForm
from embark.spec import DType, EmbeddingCache

ZERO = f"sha256:{'0' * 64}"
# Literal ids: a change would orphan every stored embedding.
CANONICAL = (
    '{"dimension":1280,"dtype":"float32","modality":"image","modelDigest":"' + ZERO + '",'
    '"normalization":"none","outputTensor":"embedding","preprocessing":"imagenet-224","role":""}'
)
GOLDEN = "07a94b6bb144"


def space_id(document: dict[str, Any]) -> str:
    return Space.from_encoder(EmbeddingCache.model_validate(document).spec.encoder).id


def change(document: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = value


def test_the_id_is_the_hash_of_the_canonical_json(document: dict[str, Any]) -> None:
    assert space_id(document) == hashlib.sha256(CANONICAL.encode()).hexdigest()[:12] == GOLDEN


def test_the_ids_of_the_samples_never_change() -> None:
    samples = Path(__file__).parents[3] / "samples"
    ids = {
        path.stem: Space.from_encoder(parse_manifest(path.read_text()).spec.encoder).id
        for path in samples.glob("*.yaml")
    }
    assert (ids["photos"], ids["titles"]) == ("7bdb635910b3", "c47976966bb4")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.digest", f"sha256:{'1' * 64}"),
        ("modality", "text"),
        ("preprocessing", "clip-224"),
        ("role", "query"),
        ("output.tensor", "pooled"),
        ("output.dimension", 1279),
        ("output.dtype", "float16"),
        ("output.normalization", "l2"),
    ],
)
def test_a_change_that_makes_embeddings_incomparable_is_a_new_space(
    document: dict[str, Any], path: str, value: object
) -> None:
    before = Space.model_validate(
        Space.from_encoder(EmbeddingCache.model_validate(document).spec.encoder).model_dump(by_alias=True)
    )
    # A modality or role contradicts the preprocessing here, which Space does not check.
    field = {"model.digest": "model_digest", "output.tensor": "output_tensor"}.get(path, path.rsplit(".", 1)[-1])
    after = Space.model_validate(before.model_dump() | {field: value})
    assert after.id != before.id
    assert len(after.id) == 12
    if path not in {"modality", "role"}:
        change(document["spec"]["encoder"], path, value)
        assert space_id(document) == after.id


def test_a_space_has_exactly_these_eight_fields() -> None:
    assert set(Space.model_fields) == {
        "model_digest",
        "modality",
        "preprocessing",
        "role",
        "output_tensor",
        "dimension",
        "dtype",
        "normalization",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "other"),
        ("metadata.namespace", "other"),
        ("spec.paused", True),
        ("spec.encoder.model.uri", "s3://bucket/other.onnx"),
        ("spec.encoder.provider", "cuda"),
        ("spec.encoder.batch", {"maxSize": 1, "maxDelay": "0s"}),
        ("spec.encoder.fetch", {"maxBytes": "1Mi", "timeout": "1s", "allowedPrivateNetworks": ["10.0.0.0/8"]}),
        ("spec.store.ttl", "1h"),
        ("spec.store.cassandra.keyspace", "other"),
        ("spec.topic.kafka.partitions", 1),
        ("spec.miss", {"oov": "Mean"}),
        ("spec.rollout", {"approval": "Manual"}),
        ("spec.embark", {"replicas": 7}),
        ("spec.kfc", {"replicas": 7}),
        ("spec.retina", {"replicas": 7, "gpu": {"count": 1}}),
        ("spec.mesh", {"provider": "linkerd"}),
        ("spec.network", {"policies": False, "clients": [{"namespace": "ads"}]}),
    ],
)
def test_any_other_change_keeps_the_space(document: dict[str, Any], path: str, value: object) -> None:
    before = space_id(document)
    change(document, path, value)
    assert space_id(document) == before


def test_a_space_reads_back_from_json(document: dict[str, Any]) -> None:
    document["spec"]["encoder"]["output"]["tensor"] = "größe"
    space = Space.from_encoder(EmbeddingCache.model_validate(document).spec.encoder)
    assert Space.model_validate_json(space.model_dump_json(by_alias=True)) == space
    assert yaml.safe_load(space.model_dump_json(by_alias=True))["outputTensor"] == "größe"


@pytest.mark.parametrize(("dtype", "size", "numpy"), [(DType.FLOAT32, 4, "<f4"), (DType.FLOAT16, 2, "<f2")])
def test_a_form_is_the_memory_layout_of_a_vector(dtype: DType, size: int, numpy: str) -> None:
    form = VectorForm(3, dtype)
    assert (form.nbytes, form.numpy) == (3 * size, np.dtype(numpy))
    assert np.frombuffer(form.zeros(), form.numpy).tolist() == [0, 0, 0]
