from typing import Any

import pytest

from embark.names import cache_name
from embark_operator.cluster import kinds
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.manifests.children import MANIFEST_HASH
from embark_testing.worlds.meshed_caches import (
    ANY_CLIENT,
    LINKERD,
    LINKERD_WITH_HTTP_ROUTES,
    POLICIES,
    SPACES,
    build_sample_mesh,
    meshed,
    named,
    serving,
)

SERVICE = "embark.v1.EmbArkService"


def test_only_named_clients_may_look_up() -> None:
    built = build_sample_mesh(meshed("linkerd"), LINKERD)
    assert named(built, "MeshTLSAuthentication")["photos-embark"] == {
        "identityRefs": [
            {"kind": "ServiceAccount", "name": "ranker", "namespace": "ads"},
            {"kind": "ServiceAccount", "name": "trainer", "namespace": "research"},
        ]
    }
    assert named(built, "AuthorizationPolicy")["photos-embark"] == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "photos-embark"},
        "requiredAuthenticationRefs": [
            {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "photos-embark"}
        ],
    }
    assert named(built, "Server")["photos-embark"] == {
        "podSelector": {"matchLabels": {"embark.dev/cache": "photos", "app.kubernetes.io/component": "embark"}},
        "port": "grpc",
        "proxyProtocol": "gRPC",
        "accessPolicy": "deny",
    }


def test_without_named_clients_only_the_mesh_may_look_up() -> None:
    built = build_sample_mesh(meshed("linkerd", mesh=ANY_CLIENT), LINKERD)
    assert named(built, "MeshTLSAuthentication")["photos-embark"] == {"identities": ["*"]}
    assert named(built, "Server")["photos-embark"]["accessPolicy"] == "deny"


@pytest.mark.parametrize("mesh", [{}, ANY_CLIENT], ids=["named", "everybody"])
def test_a_retina_encodes_only_for_the_kfc_of_its_space(mesh: dict[str, Any]) -> None:
    cache = meshed("linkerd", mesh=mesh)
    built = build_sample_mesh(cache, LINKERD)
    namespace = cache_name(cache).split("/")[0]
    for space in SPACES:
        name = f"photos-retina-{space}"
        kfc = {"kind": "ServiceAccount", "name": f"photos-kfc-{space}", "namespace": namespace}
        assert named(built, "MeshTLSAuthentication")[name] == {"identityRefs": [kfc]}
        assert named(built, "Server")[name]["podSelector"]["matchLabels"]["embark.dev/space"] == space
        assert named(built, "AuthorizationPolicy")[name]["targetRef"]["name"] == name


def test_kubelets_and_monitoring_outside_of_the_mesh_reach_the_probes_of_every_pod() -> None:
    built = build_sample_mesh(meshed("linkerd"), LINKERD)
    assert named(built, "Server")["photos-probes"] == {
        "podSelector": {"matchLabels": {"embark.dev/cache": "photos"}},
        "port": "probes",
        "proxyProtocol": "HTTP/1",
        "accessPolicy": "deny",
    }
    assert named(built, "NetworkAuthentication")["photos-probes"] == {
        "networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    }
    (reference,) = named(built, "AuthorizationPolicy")["photos-probes"]["requiredAuthenticationRefs"]
    assert reference == {"group": "policy.linkerd.io", "kind": "NetworkAuthentication", "name": "photos-probes"}


def test_a_server_comes_after_the_policy_that_opens_it() -> None:
    seen: set[str] = set()
    for manifest in build_sample_mesh(meshed("linkerd"), LINKERD).manifests:
        if manifest["kind"] == "Server":
            assert manifest["metadata"]["name"] in seen
        if manifest["kind"] == "AuthorizationPolicy":
            seen.add(manifest["spec"]["targetRef"]["name"])


def test_only_lookups_are_retried_and_only_without_an_answer() -> None:
    built = build_sample_mesh(meshed("linkerd"), LINKERD)
    notes = {m["metadata"]["name"]: dict(m["metadata"]["annotations"]) for m in built.manifests}
    routes = named(built, "GRPCRoute")
    assert routes.keys() == {"photos-embark-lookups", "photos-embark-calls"}
    for route in routes.values():
        assert route["parentRefs"] == [{"group": "core", "kind": "Service", "name": "photos-embark", "port": 50051}]
    (rule,) = routes["photos-embark-lookups"]["rules"]
    assert [match["method"] for match in rule["matches"]] == [
        {"type": "Exact", "service": SERVICE, "method": method}
        for method in ("Lookup", "Similar", "DescribeSpace", "DescribeRollout")
    ]
    del notes["photos-embark-lookups"][MANIFEST_HASH]
    assert notes["photos-embark-lookups"] == {
        "retry.linkerd.io/grpc": "unavailable",
        "retry.linkerd.io/limit": "2",
        "timeout.linkerd.io/request": "60s",
    }
    assert notes["photos-embark-calls"].keys() == {MANIFEST_HASH}


def test_every_other_call_has_a_route_since_linkerd_rejects_calls_without_one() -> None:
    (rule,) = named(build_sample_mesh(meshed("linkerd"), LINKERD), "GRPCRoute")["photos-embark-calls"]["rules"]
    services = {match["method"]["service"] for match in rule["matches"]}
    assert services >= {SERVICE, "grpc.health.v1.Health"}
    assert not any("method" in match["method"] for match in rule["matches"])


def test_a_cluster_without_grpc_routes_gets_http_routes_to_the_same_methods() -> None:
    built = build_sample_mesh(meshed("linkerd"), LINKERD_WITH_HTTP_ROUTES)
    assert not built.missing
    assert not named(built, "GRPCRoute")
    routes = named(built, "HTTPRoute")
    (lookups,), (calls,) = routes["photos-embark-lookups"]["rules"], routes["photos-embark-calls"]["rules"]
    assert {"path": {"type": "Exact", "value": f"/{SERVICE}/Lookup"}} in lookups["matches"]
    assert {"path": {"type": "PathPrefix", "value": f"/{SERVICE}"}} in calls["matches"]
    notes = {m["metadata"]["name"]: m["metadata"]["annotations"] for m in built.manifests}["photos-embark-lookups"]
    assert notes["retry.linkerd.io/http"] == "503"
    assert "retry.linkerd.io/grpc" not in notes


def test_a_changed_annotation_changes_the_manifest_hash() -> None:
    stamps = {
        manifest["metadata"]["annotations"][MANIFEST_HASH]
        for served in (LINKERD, LINKERD_WITH_HTTP_ROUTES)
        for manifest in build_sample_mesh(meshed("linkerd"), served).manifests
        if manifest["kind"].endswith("Route")
    }
    assert len(stamps) == 4


@pytest.mark.parametrize("absent", POLICIES, ids=lambda kind: kind.name)
def test_policies_are_built_all_or_none_and_the_missing_api_is_named(absent: Kind) -> None:
    built = build_sample_mesh(
        meshed("linkerd"), serving(*(kind for kind in POLICIES if kind != absent), kinds.GRPC_ROUTE)
    )
    assert {m["kind"] for m in built.manifests} == {"GRPCRoute"}
    assert built.missing == (f"{absent.api_version} {absent.name}",)


def test_policies_do_not_depend_on_routes() -> None:
    built = build_sample_mesh(meshed("linkerd"), serving(*POLICIES))
    assert named(built, "Server")
    assert built.missing == ("gateway.networking.k8s.io/v1 GRPCRoute",)
    assert not build_sample_mesh(meshed("linkerd"), Apis()).manifests
