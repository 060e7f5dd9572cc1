"""Fixtures of the resource's tests: the smallest valid manifest, as a mapping that a test may change."""

from typing import Any

import pytest

Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    """Return a new manifest with only the required fields."""
    return {
        "apiVersion": "embark.dev/v1alpha1",
        "kind": "EmbeddingCache",
        "metadata": {"name": "thumbnails"},
        "spec": {
            "encoder": {
                "model": {"uri": "https://models.example/m.onnx", "digest": f"sha256:{'0' * 64}"},
                "modality": "image",
                "preprocessing": "imagenet-224",
                "output": {"dimension": 1280},
            },
            "store": {"cassandra": {"contactPoints": ["cassandra"], "keyspace": "thumbnails"}},
            "topic": {"kafka": {"bootstrapServers": ["kafka:9092"]}},
        },
    }
