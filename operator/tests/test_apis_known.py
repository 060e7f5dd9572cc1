from embark_operator.cluster.apis import API_VERSIONS, EXTERNAL_METRICS, Apis
from embark_operator.cluster.kinds import FOREIGN_KINDS, GRPC_ROUTE, HTTP_ROUTE
from embark_testing.worlds.memory_cluster import MemoryCluster
from embark_testing.worlds.meshed_caches import EXTERNAL, ISTIO, KEDA, LINKERD, serving


def test_missing_kinds_are_named_by_version_and_kind() -> None:
    assert serving(HTTP_ROUTE).missing(HTTP_ROUTE, GRPC_ROUTE) == ("gateway.networking.k8s.io/v1 GRPCRoute",)
    assert serving(*FOREIGN_KINDS).missing(*FOREIGN_KINDS) == ()


def test_a_kind_of_the_same_name_in_another_group_is_another_kind() -> None:
    policy = "AuthorizationPolicy"
    assert LINKERD.has("policy.linkerd.io/v1alpha1", policy)
    assert not LINKERD.has("security.istio.io/v1", policy)
    assert ISTIO.has("security.istio.io/v1", policy)


def test_an_adapter_without_a_metric_serves_nothing() -> None:
    assert EXTERNAL.serves(EXTERNAL_METRICS)
    assert not Apis().serves(EXTERNAL_METRICS)
    assert not KEDA.serves(EXTERNAL_METRICS)


def test_each_version_that_a_builder_may_use_is_discovered_once() -> None:
    assert len(set(API_VERSIONS)) == len(API_VERSIONS)
    assert {kind.api_version for kind in FOREIGN_KINDS} | {EXTERNAL_METRICS} == set(API_VERSIONS)


def test_a_memory_cluster_reports_only_the_requested_versions() -> None:
    cluster = MemoryCluster()
    assert cluster.served(API_VERSIONS) == Apis()
    cluster.apis = Apis(LINKERD.kinds | KEDA.kinds)
    assert cluster.served(["keda.sh/v1alpha1"]) == KEDA
    assert cluster.served(API_VERSIONS) == cluster.apis
