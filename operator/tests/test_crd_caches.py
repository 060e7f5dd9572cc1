"""Valid caches on a real API server: defaults, columns, subresources and allowed changes."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from embark.manifest import parse_manifest
from embark_testing.api.caches import Caches, Refused, install_crd, open_caches
from embark_testing.caches import SAMPLES
from embark_testing.cluster.api_server import ApiServer
from embark_testing.worlds.child_manifests import SCHEDULED
from embark_testing.worlds.invalid_caches import changed, valid_manifest

pytestmark = pytest.mark.cluster

ENCODER = valid_manifest()["spec"]["encoder"]
STATUS = {
    "phase": "Ready",
    "model": "efficientnet-lite0",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Up",
            "message": "",
            "lastTransitionTime": "2024-05-01T10:00:00Z",
        }
    ],
    "replicas": 2,
    "selector": "app.kubernetes.io/instance=photos",
    "spaces": {
        "active": {"id": "7bdb635910b3", "encoder": ENCODER},
        "candidate": {"id": "c47976966bb4", "encoder": ENCODER, "coverage": "0.42"},
    },
    "cache": {"hitRatio": "0.987", "hitPercent": "98.7"},
    "topic": {"lag": 17},
}


@pytest.fixture(scope="module")
def namespace(api_server: ApiServer) -> str:
    install_crd(api_server)
    name = f"t{uuid.uuid4().hex[:10]}"
    api_server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def caches(api_server: ApiServer, namespace: str) -> Iterator[Caches]:
    with open_caches(api_server.kubeconfig, namespace) as made:
        yield made


@pytest.fixture
def photos(caches: Caches) -> Iterator[str]:
    caches.create(valid_manifest())
    yield "photos"
    caches.delete("photos")


@pytest.mark.parametrize("sample", ["photos", "titles"])
def test_a_sample_is_stored_with_the_defaults_of_the_spec(caches: Caches, sample: str) -> None:
    text = (SAMPLES / f"{sample}.yaml").read_text()
    kept = caches.create(yaml.safe_load(text), dry_run=True)
    assert parse_manifest(yaml.safe_dump(kept)).spec == parse_manifest(text).spec
    spoken = parse_manifest(text).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert _as_counts(kept["spec"]) == _as_counts(spoken)


def test_empty_autoscaling_gets_its_defaults(caches: Caches) -> None:
    kept = caches.create(changed(("spec", "kfc", "autoscaling"), {"min": 2}), dry_run=True)
    assert kept["spec"]["kfc"]["autoscaling"] == {"min": 2, "max": 12, "scaleDownAfter": "5m", "lagThreshold": 100}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata.name", "a" * 40),
        ("spec.encoder.output.dimension", 65536),
        ("spec.encoder.fetch.maxBytes", 2**40),
        ("spec.encoder.fetch.allowedPrivateNetworks", ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0"] * 16),
        ("spec.encoder.fetch.timeout", "1ms"),
        ("spec.store.ttl", "175200h"),
        ("spec.topic.retry", {"initialBackoff": "1m", "maxBackoff": "60s"}),
        ("spec.miss", {"oov": "Vector", "oovVectorConfigMap": "mean"}),
        ("spec.rollout.minCoverage", "1.0"),
        ("spec.embark.replicas", 1000),
        ("spec.kfc", {"replicas": 0, "autoscaling": None}),
        ("spec.kfc.autoscaling", {"min": 0, "max": 1, "scaleDownAfter": "60m"}),
        ("spec.retina.autoscaling", {"min": 0, "scaleDownAfter": "0s"}),
        ("spec.kfc.scheduling", SCHEDULED),
        ("spec.kfc.scheduling.nodeSelector", {f"example.com/{'a' * 63}": "b" * 63, "c": ""}),
        ("spec.kfc.scheduling.tolerations", [{"operator": "Exists"}, {"key": "a", "effect": "NoSchedule"}] * 8),
        ("spec.retina.resources", {"requests": {"cpu": "1000m"}, "limits": {"cpu": 1, "nvidia.com/gpu": 1}}),
    ],
)
def test_a_cache_at_its_bounds_is_valid(caches: Caches, field: str, value: Any) -> None:
    manifest = changed(tuple(field.split(".")), value)
    kept = caches.create(manifest, dry_run=True)
    assert parse_manifest(yaml.safe_dump(kept)).spec == parse_manifest(yaml.safe_dump(manifest)).spec


def test_the_modality_cannot_be_changed(caches: Caches, photos: str) -> None:
    text = {"modality": "text", "preprocessing": "text-256", "role": "query"}
    with pytest.raises(Refused, match="modality is immutable; create another cache") as refused:
        caches.change(photos, {"spec": {"encoder": text}})
    assert refused.value.fields == {"spec.encoder.modality"}
    kept = caches.change(photos, {"spec": {"encoder": {"preprocessing": "clip-224"}}})
    assert kept["spec"]["encoder"]["preprocessing"] == "clip-224"


def test_the_spec_and_the_status_are_written_separately(caches: Caches, photos: str) -> None:
    assert "status" not in caches.change(photos, {"status": STATUS})
    made = caches.change(photos, {"status": STATUS, "spec": {"paused": True}}, "status")
    assert (made["status"], made["spec"]["paused"]) == (STATUS, False)
    parsed = parse_manifest(yaml.safe_dump(made)).status
    assert (parsed.model, parsed.cache.hit_percent, parsed.topic.lag) == ("efficientnet-lite0", "98.7", 17)


def test_scale_sets_the_replicas_of_embark_unless_they_are_scaled_automatically(caches: Caches, photos: str) -> None:
    caches.change(photos, {"spec": {"embark": {"replicas": 2}}})
    caches.change(photos, {"status": STATUS}, "status")
    scale = caches.change(photos, {"spec": {"replicas": 3}}, "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (3, 2)
    assert scale["status"]["selector"] == "app.kubernetes.io/instance=photos"
    assert caches.read(photos)["spec"]["embark"]["replicas"] == 3
    with pytest.raises(Refused, match="replicas and autoscaling are mutually exclusive; set one of them"):
        caches.change(photos, {"spec": {"embark": {"autoscaling": {}}}})


@pytest.mark.parametrize("name", ["embc", "embeddingcache", "ml"])
def test_kubectl_get_shows_the_columns(
    api_server: ApiServer, namespace: str, caches: Caches, photos: str, name: str
) -> None:
    caches.change(photos, {"status": STATUS}, "status")
    header, row = api_server.kubectl("get", name, f"--namespace={namespace}").splitlines()
    assert re.split(r"\s{2,}", header.strip()) == [
        *("NAME", "READY", "MODEL", "SPACE", "HIT%", "COVERAGE", "LAG", "PHASE", "AGE")
    ]
    assert row.split()[:8] == [*("photos", "True", "efficientnet-lite0", "7bdb635910b3", "98.7", "0.42", "17", "Ready")]


def _as_counts(value: Any) -> Any:
    """Replace lists by their lengths and text by a mark, so that 60s and 1m are equal."""
    if isinstance(value, dict):
        return {name: _as_counts(part) for name, part in value.items()}
    return len(value) if isinstance(value, list) else "text" if isinstance(value, str) else value
