from typing import Any

import pytest

from embark.names import cache_name
from embark_operator.cluster import kinds
from embark_testing.worlds.meshed_caches import ANY_CLIENT, ISTIO, SPACES, build_sample_mesh, meshed, named, serving
from embark_testing.worlds.published_models import as_published


def authorization_rule(built: object, name: str) -> dict[str, object]:
    spec = named(built, "AuthorizationPolicy")[name]  # type: ignore[arg-type]
    assert spec["action"] == "ALLOW"
    (rule,) = spec["rules"]
    return dict(rule)


def test_only_named_clients_may_look_up() -> None:
    built = build_sample_mesh(meshed("istio", mesh={"trustDomain": "prod.example"}), ISTIO)
    assert authorization_rule(built, "photos-embark") == {
        "from": [
            {
                "source": {
                    "principals": [
                        "prod.example/ns/ads/sa/ranker",
                        "prod.example/ns/research/sa/trainer",
                    ]
                }
            }
        ],
        "to": [{"operation": {"ports": ["50051"]}}],
    }
    assert named(built, "AuthorizationPolicy")["photos-embark"]["selector"] == {
        "matchLabels": {"embark.dev/cache": "photos", "app.kubernetes.io/component": "embark"}
    }


def test_without_named_clients_only_the_mesh_may_look_up() -> None:
    built = build_sample_mesh(meshed("istio", mesh=ANY_CLIENT), ISTIO)
    assert authorization_rule(built, "photos-embark")["from"] == [{"source": {"principals": ["*"]}}]


@pytest.mark.parametrize("mesh", [{}, ANY_CLIENT], ids=["named", "everybody"])
def test_a_retina_encodes_only_for_the_kfc_of_its_space(mesh: dict[str, Any]) -> None:
    cache = meshed("istio", mesh=mesh)
    built = build_sample_mesh(cache, ISTIO)
    namespace = cache_name(cache).split("/")[0]
    for space in SPACES:
        name = f"photos-retina-{space}"
        principal = f"cluster.local/ns/{namespace}/sa/photos-kfc-{space}"
        assert authorization_rule(built, name)["from"] == [{"source": {"principals": [principal]}}]
        selector = named(built, "AuthorizationPolicy")[name]["selector"]["matchLabels"]
        assert selector["embark.dev/space"] == space


def test_plain_text_is_rejected_except_at_the_probes_which_any_client_may_read() -> None:
    built = build_sample_mesh(meshed("istio"), ISTIO)
    assert named(built, "PeerAuthentication") == {
        "photos-probes": {
            "selector": {"matchLabels": {"embark.dev/cache": "photos"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}},
        }
    }
    assert authorization_rule(built, "photos-probes") == {"to": [{"operation": {"ports": ["8080"]}}]}
    selector = named(built, "AuthorizationPolicy")["photos-probes"]["selector"]
    assert selector == {"matchLabels": {"embark.dev/cache": "photos"}}


def test_calls_go_to_the_least_loaded_pod_and_a_failing_pod_is_ejected() -> None:
    spec = named(build_sample_mesh(meshed("istio"), ISTIO), "DestinationRule")["photos-embark"]
    assert spec["host"] == "photos-embark"
    (port,) = spec["trafficPolicy"]["portLevelSettings"]
    assert port == {
        "port": {"number": 50051},
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}},
        "outlierDetection": {
            "consecutiveGatewayErrors": 5,
            "interval": "10s",
            "baseEjectionTime": "30s",
            "maxEjectionPercent": 50,
        },
    }


@pytest.mark.parametrize("mesh", [{}, ANY_CLIENT], ids=["named", "everybody"])
def test_every_field_is_in_the_published_schemas(mesh: dict[str, Any]) -> None:
    built = build_sample_mesh(meshed("istio", mesh=mesh), ISTIO).manifests
    assert {m["kind"] for m in built} == {"PeerAuthentication", "AuthorizationPolicy", "DestinationRule"}
    for manifest in built:
        assert as_published(manifest) == manifest


def test_a_field_that_no_schema_has_is_detected() -> None:
    (rule,) = (m for m in build_sample_mesh(meshed("istio"), ISTIO).manifests if m["kind"] == "DestinationRule")
    (port,) = rule["spec"]["trafficPolicy"]["portLevelSettings"]
    port["outlierDetection"]["mild"] = True
    assert as_published(rule) != rule


def test_objects_of_a_missing_api_are_omitted_and_named() -> None:
    without_rules = build_sample_mesh(meshed("istio"), serving(kinds.PEER_AUTHENTICATION, kinds.ISTIO_AUTHORIZATION))
    assert without_rules.missing == ("networking.istio.io/v1 DestinationRule",)
    assert named(without_rules, "AuthorizationPolicy")
    without_policies = build_sample_mesh(meshed("istio"), serving(kinds.PEER_AUTHENTICATION, kinds.DESTINATION_RULE))
    assert without_policies.missing == ("security.istio.io/v1 AuthorizationPolicy",)
    assert {m["kind"] for m in without_policies.manifests} == {"DestinationRule"}
