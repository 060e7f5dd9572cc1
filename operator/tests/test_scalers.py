from typing import Any

import pytest

from embark.spec.autoscaling import LagAutoscaling
from embark_operator.cluster.apis import Apis
from embark_operator.manifests.kfc_scaling import ScalerKind, kfc_bounds
from embark_operator.observe.saturation import saturation_cap
from embark_testing.worlds.child_manifests import SECRETS
from embark_testing.worlds.meshed_caches import EXTERNAL, KEDA, build_sample_scaler, kfc_settings, meshed, named
from embark_testing.worlds.published_models import as_published

ALL = Apis(KEDA.kinds | EXTERNAL.kinds)
HPA = "HorizontalPodAutoscaler"
CACHE = meshed("none")
SPACE = kfc_settings(CACHE).space.id
KFC = f"photos-kfc-{SPACE}"


def cache_with_autoscaling(**autoscaling: int) -> Any:
    return meshed("none", kfc={"autoscaling": autoscaling})


@pytest.mark.parametrize(
    ("served", "kind", "scaler"),
    [
        (ALL, ScalerKind.KEDA, "ScaledObject"),
        (KEDA, ScalerKind.KEDA, "ScaledObject"),
        (EXTERNAL, ScalerKind.EXTERNAL, HPA),
        (Apis(), ScalerKind.CPU, HPA),
    ],
)
def test_lag_scales_if_it_can_be_measured_and_cpu_otherwise(served: Apis, kind: ScalerKind, scaler: str) -> None:
    found = build_sample_scaler(CACHE, served)
    assert found.kind is kind
    assert [m["kind"] for m in found.manifests] == [scaler]


@pytest.mark.parametrize("served", [ALL, EXTERNAL, Apis()])
def test_fixed_replicas_have_no_scaler(served: Apis) -> None:
    found = build_sample_scaler(meshed("none", kfc={"replicas": 3}), served)
    assert (found.kind, found.manifests) == (ScalerKind.NONE, ())


def test_keda_removes_the_last_pod_after_the_time_in_the_spec() -> None:
    cache = meshed("none", kfc={"autoscaling": {"min": 0, "scaleDownAfter": "30s"}})
    spec = named(build_sample_scaler(cache, KEDA), "ScaledObject")[KFC]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert spec["cooldownPeriod"] == behavior["scaleDown"]["stabilizationWindowSeconds"] == 30


def test_keda_reads_the_lag_of_the_group_of_the_space() -> None:
    spec = named(build_sample_scaler(cache_with_autoscaling(min=2, max=6, lagThreshold=250), KEDA), "ScaledObject")[KFC]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": KFC}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    settings = kfc_settings(CACHE)
    assert spec["triggers"] == [
        {
            "type": "kafka",
            "metadata": {
                "bootstrapServers": ",".join(settings.topic.kafka.bootstrap_servers),
                "consumerGroup": settings.consumer_group,
                "topic": settings.topic.fills,
                "lagThreshold": "250",
                "offsetResetPolicy": "earliest",
            },
        }
    ]


@pytest.mark.parametrize(
    ("mechanism", "sasl"),
    [("PLAIN", "plaintext"), ("SCRAM-SHA-256", "scram_sha256"), ("SCRAM-SHA-512", "scram_sha512")],
)
def test_keda_authenticates_at_the_brokers_with_the_secrets_of_the_cache(mechanism: str, sasl: str) -> None:
    kafka = SECRETS["topic"]["kafka"] | {"saslMechanism": mechanism}
    built = build_sample_scaler(meshed("none", topic={"kafka": kafka}), KEDA)
    assert [m["kind"] for m in built.manifests] == ["TriggerAuthentication", "ScaledObject"]
    (trigger,) = named(built, "ScaledObject")[KFC]["triggers"]
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == (sasl, "enable")
    assert trigger["authenticationRef"] == {"name": KFC}
    assert named(built, "TriggerAuthentication")[KFC]["secretTargetRef"] == [
        {"parameter": "username", "name": "kafka-user", "key": "username"},
        {"parameter": "password", "name": "kafka-user", "key": "password"},
        {"parameter": "ca", "name": "kafka-tls", "key": "ca.crt"},
        {"parameter": "cert", "name": "kafka-tls", "key": "tls.crt"},
        {"parameter": "key", "name": "kafka-tls", "key": "tls.key"},
    ]


def test_one_secret_may_contain_both_user_and_certificate() -> None:
    both = {"credentialsSecret": "kafka", "tlsSecret": "kafka"}
    built = build_sample_scaler(meshed("none", topic={"kafka": both}), KEDA)
    parameters = [found["parameter"] for found in named(built, "TriggerAuthentication")[KFC]["secretTargetRef"]]
    assert parameters == ["username", "password", "ca", "cert", "key"]


@pytest.mark.parametrize("change", [{}, SECRETS], ids=["plain", "secrets"])
def test_every_field_of_keda_is_in_the_published_schema(change: dict[str, Any]) -> None:
    for manifest in build_sample_scaler(meshed("none", **change), KEDA, idle=True, saturation_cap=2).manifests:
        assert as_published(manifest) == manifest


def test_an_external_metric_is_selected_by_cache_and_space() -> None:
    spec = named(build_sample_scaler(cache_with_autoscaling(lagThreshold=1000), EXTERNAL), HPA)[KFC]
    (metric,) = spec["metrics"]
    labels = {"embark_dev_cache": "photos", "embark_dev_space": SPACE}
    assert metric == {
        "type": "External",
        "external": {
            "metric": {"name": "embark_kfc_lag", "selector": {"matchLabels": labels}},
            "target": {"type": "AverageValue", "averageValue": "1k"},
        },
    }


def test_only_keda_scales_to_zero_since_only_it_scales_up_again() -> None:
    idle = cache_with_autoscaling(min=0)
    assert named(build_sample_scaler(idle, KEDA), "ScaledObject")[KFC]["minReplicaCount"] == 0
    assert named(build_sample_scaler(idle, EXTERNAL), HPA)[KFC]["minReplicas"] == 1
    assert named(build_sample_scaler(idle, Apis()), HPA)[KFC]["minReplicas"] == 1


def test_a_candidate_without_lag_has_no_pods() -> None:
    spec = named(build_sample_scaler(cache_with_autoscaling(min=3), KEDA, idle=True), "ScaledObject")[KFC]
    assert spec["minReplicaCount"] == 0
    assert spec["maxReplicaCount"] == 12


@pytest.mark.parametrize("least", [0, 1, 3])
@pytest.mark.parametrize("idle", [True, False])
def test_a_watched_kfc_has_a_pod_that_exports_its_lag(idle: bool, least: int) -> None:  # noqa: FBT001
    found = build_sample_scaler(cache_with_autoscaling(min=least), KEDA, idle=idle, watched=True)
    assert named(found, "ScaledObject")[KFC]["minReplicaCount"] == (1 if idle else max(1, least))


@pytest.mark.parametrize("served", [KEDA, EXTERNAL, Apis()])
@pytest.mark.parametrize("cap", [None, 0, 2, 50])
def test_there_are_never_more_replicas_than_partitions(served: Apis, cap: int | None) -> None:
    kafka = {"kafka": {"partitions": 3}}
    cache = meshed("none", topic=kafka, kfc={"autoscaling": {"min": 8, "max": 9}})
    found = build_sample_scaler(cache, served, saturation_cap=cap)
    (spec,) = (m["spec"] for m in found.manifests)
    names = ("minReplicaCount", "maxReplicaCount") if served is KEDA else ("minReplicas", "maxReplicas")
    assert tuple(spec[name] for name in names) == (3, 3)


@pytest.mark.parametrize(("cap", "max_replicas"), [(None, 12), (5, 5), (1, 2), (0, 2), (40, 12)])
def test_consumers_are_not_added_while_retina_is_saturated(cap: int | None, max_replicas: int) -> None:
    bounds = kfc_bounds(LagAutoscaling(min=2, max=12), 24, saturation_cap=cap)
    assert (bounds.min, bounds.max) == (2, max_replicas)


def test_retina_is_saturated_while_its_autoscaler_wants_more_than_its_maximum() -> None:
    kfc = {"spec": {"replicas": 4}}

    def cap(status: str, reason: str, kind: str = "ScalingLimited") -> int | None:
        return saturation_cap({"status": {"conditions": [{"type": kind, "status": status, "reason": reason}]}}, kfc)

    assert cap("True", "TooManyReplicas") == 4
    assert cap("False", "DesiredWithinRange") is None
    assert cap("True", "TooFewReplicas") is None
    assert cap("True", "TooManyReplicas", "AbleToScale") is None


def test_without_live_objects_there_is_no_cap() -> None:
    scaler = {"status": {"conditions": [{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}]}}
    assert saturation_cap(None, {"spec": {"replicas": 4}}) is None
    assert saturation_cap({}, {"spec": {"replicas": 4}}) is None
    assert saturation_cap({"status": {"conditions": None}}, {"spec": {}}) is None
    assert saturation_cap(scaler, None) is None
    assert saturation_cap(scaler, {"spec": {}}) == 1
