from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from embark.errors import InvalidSpecError
from embark.manifest import find_faults, parse_manifest
from embark.spec import EmbeddingCache

SAMPLES = sorted((Path(__file__).parents[3] / "samples").glob("*.yaml"))
ABSENT = SimpleNamespace()

# The changed field, its value, the field that the error names (as in the manifest), and part of the message.
BAD: list[tuple[str, Any, str, str]] = [
    ("apiVersion", "embark.dev/v2", "apiVersion", "'embark.dev/v1alpha1'"),
    ("kind", "Cache", "kind", "'EmbeddingCache'"),
    ("metadata", ABSENT, "metadata", "required"),
    ("metadata.name", ABSENT, "metadata.name", "required"),
    ("metadata.name", "a" * 41, "metadata.name", "at most 40"),
    ("metadata.name", "Upper", "metadata.name", "'Upper'"),
    ("metadata.name", "7up", "metadata.name", "pattern"),
    ("metadata.name", "ends-", "metadata.name", "pattern"),
    ("metadata.name", "two\n", "metadata.name", "pattern"),
    ("spec", ABSENT, "spec", "required"),
    ("spec.paused", "yes", "spec.paused", "boolean, not 'yes'"),
    ("spec.encoder.model.digest", ABSENT, "spec.encoder.model.digest", "required"),
    ("spec.encoder.model.digest", "sha256:abc", "spec.encoder.model.digest", "'sha256:abc'"),
    ("spec.encoder.model.digest", f"sha256:{'A' * 64}", "spec.encoder.model.digest", "pattern"),
    ("spec.encoder.model.uri", "ftp://m/x.onnx", "spec.encoder.model.uri", "s3|gs|file"),
    ("spec.encoder.modality", "video", "spec.encoder.modality", "'image' or 'text', not 'video'"),
    ("spec.encoder.preprocessing", "imagenet-999", "spec.encoder.preprocessing", "'imagenet-224'"),
    ("spec.encoder.preprocessing", "text-256", "spec.encoder", "is for modality text"),
    ("spec.encoder.role", "query", "spec.encoder", "role is only allowed with modality text"),
    ("spec.encoder.output.dimension", ABSENT, "spec.encoder.output.dimension", "required"),
    ("spec.encoder.output.dimension", 0, "spec.encoder.output.dimension", "equal to 1, not 0"),
    ("spec.encoder.output.dimension", 65537, "spec.encoder.output.dimension", "65536"),
    ("spec.encoder.output.dimension", "1280", "spec.encoder.output.dimension", "integer, not '1280'"),
    ("spec.encoder.output.dimension", 12.5, "spec.encoder.output.dimension", "integer"),
    ("spec.encoder.output.dtype", "float64", "spec.encoder.output.dtype", "'float32' or 'float16'"),
    ("spec.encoder.output.normalization", "l1", "spec.encoder.output.normalization", "'none' or 'l2'"),
    ("spec.encoder.provider", "tpu", "spec.encoder.provider", "'cpu' or 'cuda'"),
    ("spec.encoder.batch.maxSize", 0, "spec.encoder.batch.maxSize", "equal to 1"),
    ("spec.encoder.batch.maxDelay", "5", "spec.encoder.batch.maxDelay", "'5' is not a duration"),
    ("spec.encoder.batch.maxDelay", 5, "spec.encoder.batch.maxDelay", "not a duration such as 5ms"),
    ("spec.encoder.fetch.schemes", ["ftp"], "spec.encoder.fetch.schemes[0]", "'ftp'"),
    ("spec.encoder.fetch.schemes", [], "spec.encoder.fetch.schemes", "at least 1 item"),
    ("spec.encoder.fetch.maxBytes", "10MB", "spec.encoder.fetch.maxBytes", "'10MB' is not a size such as 10Mi"),
    ("spec.encoder.fetch.maxBytes", "0", "spec.encoder.fetch.maxBytes", "'0' must be at least 1 byte"),
    ("spec.encoder.fetch.maxBytes", "1025Gi", "spec.encoder.fetch.maxBytes", "exceeds the maximum size of 1024Gi"),
    ("spec.encoder.fetch.timeout", "0s", "spec.encoder.fetch.timeout", "'0s' must be at least 1ms"),
    (
        "spec.encoder.fetch.allowedPrivateNetworks",
        ["10.0.0.0/8", "10.0.0.1"],
        "spec.encoder.fetch.allowedPrivateNetworks[1]",
        "'10.0.0.1' is not a CIDR",
    ),
    (
        "spec.encoder.fetch.allowedPrivateNetworks",
        ["10.0.0.1/8"],
        "spec.encoder.fetch.allowedPrivateNetworks[0]",
        "host bits",
    ),
    (
        "spec.encoder.fetch.allowedPrivateNetworks",
        ["::ffff:10.0.0.0/104"],
        "spec.encoder.fetch.allowedPrivateNetworks[0]",
        "write the IPv4 one",
    ),
    (
        "spec.encoder.fetch.allowedPrivateNetworks",
        ["10.0.0.0/255.0.0.0"],
        "spec.encoder.fetch.allowedPrivateNetworks[0]",
        "is not a CIDR",
    ),
    ("spec.store.cassandra", ABSENT, "spec.store.cassandra", "required"),
    ("spec.store.cassandra.contactPoints", [], "spec.store.cassandra.contactPoints", "at least 1 item"),
    ("spec.encoder.batch", {"max_size": 1}, "spec.encoder.batch.max_size", "no such field"),
    ("spec.store.cassandra.port", 65536, "spec.store.cassandra.port", "65535"),
    ("spec.store.cassandra.keyspace", "no-dashes", "spec.store.cassandra.keyspace", "'no-dashes'"),
    ("spec.store.cassandra.consistency", {"read": "ALL"}, "spec.store.cassandra.consistency.read", "'LOCAL_ONE'"),
    ("spec.store.ttl", "1d", "spec.store.ttl", "'1d' is not a duration"),
    ("spec.store.ttl", "175200h1ms", "spec.store.ttl", "exceeds the maximum duration of 175200h"),
    ("spec.store.ttl", f"{'9' * 30}h", "spec.store.ttl", "is not a duration"),
    ("spec.topic", ABSENT, "spec.topic", "required"),
    ("spec.topic.kafka.bootstrapServers", ["kafka"], "spec.topic.kafka.bootstrapServers[0]", "'kafka'"),
    ("spec.topic.kafka.partitions", 0, "spec.topic.kafka.partitions", "equal to 1"),
    ("spec.topic.retry", {"initialBackoff": "6m"}, "spec.topic.retry", "initialBackoff exceeds maxBackoff"),
    ("spec.topic.retry", {"maxAttempts": 0}, "spec.topic.retry.maxAttempts", "equal to 1"),
    ("spec.miss", {"oov": "Vector"}, "spec.miss", "oovVectorConfigMap is required with oov: Vector"),
    ("spec.miss", {"oovVectorConfigMap": "oov"}, "spec.miss", "oovVectorConfigMap is required with oov: Vector"),
    ("spec.rollout", {"minCoverage": "99%"}, "spec.rollout.minCoverage", "'99%' is not a share"),
    ("spec.rollout", {"minCoverage": "1.5"}, "spec.rollout.minCoverage", "'1.5' is not a share"),
    ("spec.rollout", {"minCoverage": 0.99}, "spec.rollout.minCoverage", "in quotes"),
    ("spec.embark", {"replicas": 1, "autoscaling": {}}, "spec.embark", "set one of them"),
    ("spec.embark", {"maxKeysPerRequest": 0}, "spec.embark.maxKeysPerRequest", "equal to 1"),
    ("spec.kfc", {"autoscaling": {"min": 9, "max": 2}}, "spec.kfc.autoscaling", "min 9 exceeds max 2"),
    ("spec.kfc", {"resources": {"limits": {"cpu": "lots"}}}, "spec.kfc.resources.limits.cpu", "'lots'"),
    ("spec.kfc", {"resources": {"limits": {"cpus": 1}}}, "spec.kfc.resources.limits", "pattern"),
    (
        "spec.kfc",
        {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1999m"}}},
        "spec.kfc.resources",
        "a request exceeds its limit",
    ),
    ("spec.retina", {"replicas": -1}, "spec.retina.replicas", "equal to 0"),
    ("spec.retina", {"autoscaling": {"targetCPU": 101}}, "spec.retina.autoscaling.targetCPU", "100"),
    ("spec.mesh", {"provider": "consul"}, "spec.mesh.provider", "'linkerd'"),
    ("spec.encodr", {}, "spec.encodr", "no such field"),
]


@pytest.mark.parametrize(("path", "value", "field", "message"), BAD, ids=[f"{bad[0]}={bad[1]!r:.30}" for bad in BAD])
def test_an_invalid_manifest_is_rejected_by_its_field(
    document: dict[str, Any], path: str, value: object, field: str, message: str
) -> None:
    *parents, last = path.split(".")
    target = document
    for parent in parents:
        target = target.setdefault(parent, {})
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    faults = find_faults(yaml.safe_dump(document))
    assert [fault.field for fault in faults] == [field]
    assert message in faults[0].message
    with pytest.raises(InvalidSpecError, match="^" + field.replace("[", r"\[")):
        parse_manifest(yaml.safe_dump(document))


def test_all_errors_are_reported_at_once(document: dict[str, Any]) -> None:
    document["spec"]["encoder"]["output"]["dimension"] = -1
    document["spec"]["store"]["cassandra"]["keyspace"] = ""
    del document["spec"]["topic"]
    fields = {fault.field for fault in find_faults(yaml.safe_dump(document))}
    assert fields == {"spec.encoder.output.dimension", "spec.store.cassandra.keyspace", "spec.topic"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_is_valid(sample: Path) -> None:
    assert find_faults(sample.read_text()) == []
    assert parse_manifest(sample.read_text()).metadata.name == sample.stem


def test_there_are_samples() -> None:
    assert {"photos.yaml", "titles.yaml"} <= {sample.name for sample in SAMPLES}


def test_metadata_that_a_cluster_adds_is_ignored(document: dict[str, Any]) -> None:
    document["metadata"] |= {"uid": "x", "labels": {"a": "b"}, "creationTimestamp": "2024-05-01T10:00:00Z"}
    text = yaml.safe_dump(document).replace("'2024-05-01T10:00:00Z'", "2024-05-01T10:00:00Z")
    assert parse_manifest(text).metadata.name == "thumbnails"


def test_a_field_that_is_null_is_not_set(document: dict[str, Any]) -> None:
    document["spec"] |= {"miss": None, "embark": {"autoscaling": None, "replicas": 3}}
    document["spec"]["encoder"]["modality"] = None
    assert [str(fault) for fault in find_faults(yaml.safe_dump(document))] == [
        "spec.encoder.modality: required but not set"
    ]


def test_an_unknown_field_is_an_error_even_if_it_is_null(document: dict[str, Any]) -> None:
    document["spec"] |= {"embark": {"hotTeir": None, "hotTier": None}}
    assert [str(fault) for fault in find_faults(yaml.safe_dump(document))] == ["spec.embark.hotTeir: no such field"]


def test_a_null_in_a_list_is_an_error(document: dict[str, Any]) -> None:
    document["spec"]["store"]["cassandra"]["contactPoints"] = ["cassandra", None]
    assert [fault.field for fault in find_faults(yaml.safe_dump(document))] == ["spec.store.cassandra.contactPoints[1]"]


def test_a_whole_number_may_have_a_decimal_point(document: dict[str, Any]) -> None:
    document["spec"]["encoder"]["output"]["dimension"] = 1280.0
    assert parse_manifest(yaml.safe_dump(document)).spec.encoder.output.dimension == 1280


def test_a_duplicate_field_is_an_error(document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document).replace("    modality: image\n", "    modality: image\n    modality: text\n")
    (fault,) = find_faults(text)
    assert fault.field == "(file)"
    assert "duplicate key 'modality'" in fault.message


def test_a_whole_quantity_needs_no_quotes(document: dict[str, Any]) -> None:
    document["spec"]["kfc"] = {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": 2, "memory": "1Gi"}}}
    document["spec"]["embark"] = {"hotTier": {"maxBytes": 4096}}
    cache = parse_manifest(yaml.safe_dump(document))
    assert cache.spec.kfc.resources.limits == {"cpu": "2", "memory": "1Gi"}
    assert cache.spec.embark.hot_tier.max_bytes == 4096


def test_a_status_from_a_cluster_is_read(document: dict[str, Any]) -> None:
    document["status"] = {
        "phase": "Ready",
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Up", "lastTransitionTime": "2024-05-01T10:00:00Z"}
        ],
        "spaces": {
            "active": {
                "id": "7bdb635910b3",
                "encoder": document["spec"]["encoder"],
                "since": "2024-05-01T10:00:00Z",
            }
        },
    }
    status = parse_manifest(yaml.safe_dump(document)).status
    assert (status.conditions[0].type, status.spaces.active and status.spaces.active.id) == ("Ready", "7bdb635910b3")


def test_a_cache_reads_back_from_its_json_and_from_its_yaml(document: dict[str, Any]) -> None:
    document["spec"]["rollout"] = {"minCoverage": "0.123456789", "keepPrevious": "1h2m3s4ms"}
    document["spec"]["encoder"]["fetch"] = {"allowedPrivateNetworks": ["10.0.0.0/8", "fd00::/8"], "maxBytes": "123"}
    document["spec"]["kfc"] = {"autoscaling": {"min": 0}, "resources": {"limits": {"cpu": "500m"}}}
    cache = parse_manifest(yaml.safe_dump(document))
    assert EmbeddingCache.model_validate_json(cache.model_dump_json(by_alias=True)) == cache
    assert parse_manifest(yaml.safe_dump(cache.model_dump(mode="json", by_alias=True, exclude_none=True))) == cache
