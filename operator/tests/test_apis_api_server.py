"""Objects of meshes and scalers on a real API server, and the discovery of their APIs."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from kubernetes import config
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

from embark.errors import UnavailableError
from embark.spec import EmbeddingCache
from embark_operator.cluster.apis import API_VERSIONS, Apis
from embark_operator.cluster.differences import differs
from embark_operator.cluster.kinds import CERTIFICATE, FOREIGN_KINDS
from embark_operator.cluster.kubernetes import KubernetesCluster
from embark_operator.manifests.tls import build_certificate
from embark_operator.names import Manifest
from embark_testing.api.aggregated_apis import api_service
from embark_testing.caches import sample
from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.api_server import api_server as running_api_server
from embark_testing.cluster.fixtures import require_programs
from embark_testing.cluster.foreign_crds import LINKERD as LINKERD_CRDS
from embark_testing.cluster.foreign_crds import install_foreign_crds
from embark_testing.cluster.go_modules import ETCD, KUBERNETES
from embark_testing.cluster.kubeconfigs import KubectlError
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.worlds.child_manifests import SECRETS, build_context
from embark_testing.worlds.meshed_caches import (
    ANY_CLIENT,
    EXTERNAL,
    ISTIO,
    KEDA,
    LINKERD,
    LINKERD_WITH_HTTP_ROUTES,
    build_sample_mesh,
    build_sample_scaler,
    meshed,
    retina_scaling,
    serving,
)

pytestmark = pytest.mark.cluster

MESHES = [("linkerd", LINKERD), ("linkerd", LINKERD_WITH_HTTP_ROUTES), ("istio", ISTIO)]
SCALERS: list[tuple[Apis, dict[str, Any]]] = [
    (KEDA, {}),
    (KEDA, SECRETS),
    (EXTERNAL, {"kfc": {"autoscaling": {"lagThreshold": 1000}}}),
    (EXTERNAL, {"kfc": {"autoscaling": {"lagThreshold": 123456}}}),
    (Apis(), {}),
]
MISSING = "missing.embark.test/v1"


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A separate server: other tests would see what is installed here."""
    require_programs(ETCD, KUBERNETES)
    with running_api_server(tmp_path_factory.mktemp("api-server-with-others")) as server:
        yield server


@pytest.fixture(scope="module")
def full_server(bare_server: ApiServer) -> ApiServer:
    install_foreign_crds(bare_server)
    return bare_server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(bare_server: ApiServer, clock: FakeClock) -> Iterator[KubernetesCluster]:
    path = str(bare_server.kubeconfig)
    with (
        config.new_client_from_config(config_file=path) as client,  # type: ignore[no-untyped-call]
        closing(KubernetesCluster(client, lambda: clock.at / 1e6)) as connected,
    ):
        yield connected


def in_default(cache: EmbeddingCache) -> EmbeddingCache:
    return cache.model_copy(update={"metadata": cache.metadata.model_copy(update={"namespace": "default"})})


def stored(server: ApiServer, wanted: tuple[Manifest, ...]) -> list[Manifest]:
    """Apply objects, rejecting unknown fields, and return what the server stores of each."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    server.kubectl("apply", "--server-side", "--validate=strict", "-f=-", stdin=document)
    got = json.loads(server.kubectl("get", "-f=-", "-o=json", stdin=document))
    return list(got["items"] if got["kind"] == "List" else [got])


def assert_kept(server: ApiServer, wanted: tuple[Manifest, ...]) -> None:
    assert wanted
    kept = stored(server, wanted)
    for manifest, live in zip(wanted, kept, strict=True):
        assert not differs(manifest, live), manifest["kind"]
    assert stored(server, wanted) == kept


def test_discovered_apis_are_cached_for_a_minute(
    bare_server: ApiServer, cluster: KubernetesCluster, clock: FakeClock
) -> None:
    version, kind = "policy.linkerd.io/v1beta3", "Server"
    assert not cluster.served([version]).has(version, kind)
    bare_server.kubectl("apply", "--server-side", f"--filename={LINKERD_CRDS}")
    eventually(lambda: _is_served(bare_server, "servers.policy.linkerd.io"), 60, "servers are served")
    clock.advance(timedelta(seconds=59))
    assert not cluster.served([version]).has(version, kind)
    clock.advance(timedelta(seconds=1))
    assert cluster.served([version]) == Apis(frozenset({(version, kind)}))


def test_an_api_whose_own_server_is_down_counts_as_missing(bare_server: ApiServer, cluster: KubernetesCluster) -> None:
    group, version = MISSING.split("/")
    name = f"{version}.{group}"
    body = api_service(name, "missing", "default")
    bare_server.kubectl("apply", "-f=-", stdin=json.dumps(body))
    try:
        eventually(lambda: _has_no_backend(bare_server), 60, "the API server calls a server that is down")
        assert cluster.served([MISSING, "apps/v1"]) == cluster.served(["apps/v1"])
        assert cluster.served(["apps/v1"]).has("apps/v1", "Deployment")
        assert not cluster.served(["apps/v1"]).has("apps/v1", "Scale")
    finally:
        bare_server.kubectl("delete", "apiservice", name)


def test_an_api_whose_own_server_goes_down_keeps_its_last_known_kinds(
    cluster: KubernetesCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cluster.served(["apps/v1"])
    clock.advance(timedelta(hours=1))
    monkeypatch.setattr(cluster._client, "request", lambda *_, **__: _answer(503))
    assert cluster.served(["apps/v1"]) == before
    clock.advance(timedelta(hours=1))
    monkeypatch.setattr(cluster._client, "request", lambda *_, **__: _answer(500))
    with pytest.raises(UnavailableError, match="API discovery"):
        cluster.served(["apps/v1"])


def test_every_foreign_kind_is_discovered_by_the_name_that_the_builders_use(
    full_server: ApiServer, cluster: KubernetesCluster
) -> None:
    assert cluster.served(API_VERSIONS).missing(*FOREIGN_KINDS) == ()
    for kind in FOREIGN_KINDS:
        full_server.kubectl("get", f"{kind.plural}.{kind.version}.{kind.group}")


@pytest.mark.parametrize("mesh", [{}, ANY_CLIENT], ids=["named", "everybody"])
@pytest.mark.parametrize(("provider", "served"), MESHES, ids=["linkerd", "linkerd-http", "istio"])
def test_mesh_objects_are_stored_as_written(
    full_server: ApiServer,
    provider: str,
    served: Apis,
    mesh: dict[str, Any],
) -> None:
    made = build_sample_mesh(in_default(meshed(provider, mesh=mesh)), served)
    assert made.missing == ()
    assert_kept(full_server, made.manifests)


@pytest.mark.parametrize(("served", "change"), SCALERS, ids=["keda", "keda-secrets", "external", "large-lag", "cpu"])
def test_a_scaler_is_stored_as_written(full_server: ApiServer, served: Apis, change: dict[str, Any]) -> None:
    assert_kept(full_server, build_sample_scaler(in_default(meshed("none", **change)), served, idle=True).manifests)


@pytest.mark.parametrize("change", [{}, SECRETS], ids=["plain", "secrets"])
def test_a_scaler_of_an_idle_retina_is_stored_as_written(full_server: ApiServer, change: dict[str, Any]) -> None:
    assert_kept(full_server, tuple(retina_scaling(in_default(meshed("none", **change)), KEDA)))


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
def test_a_certificate_is_stored_as_written(full_server: ApiServer, kind: str) -> None:
    tls = {"secret": "photos-grpc", "issuer": {"name": "authority", "kind": kind}}
    served = serving(CERTIFICATE)
    context = build_context(in_default(sample("photos", tls=tls)), apis=served)
    assert_kept(full_server, tuple(build_certificate(context)))


def test_a_field_that_a_schema_lacks_is_rejected(full_server: ApiServer) -> None:
    made = build_sample_mesh(in_default(meshed("linkerd")), LINKERD).manifests
    for manifest in made:
        with pytest.raises(KubectlError, match="unheard"):
            stored(full_server, (manifest | {"spec": manifest["spec"] | {"unheard": True}},))


def _answer(status: int) -> NoReturn:
    raise DynamicApiError(ApiException(status=status, reason="away"))  # type: ignore[no-untyped-call]


def _is_served(server: ApiServer, resource: str) -> bool:
    try:
        server.kubectl("get", resource)
    except KubectlError:
        return False
    return True


def _has_no_backend(server: ApiServer) -> bool:
    try:
        server.kubectl("get", f"--raw=/apis/{MISSING}")
    except KubectlError as error:
        return "unavailable" in str(error) or "unable to handle" in str(error)
    return False
