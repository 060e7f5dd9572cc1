import json
from typing import Any

import pytest

from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.meshes import PodMesh, build_pod_mesh
from embark_operator.names import Manifest
from embark_testing.worlds.child_manifests import build_context
from embark_testing.worlds.meshed_caches import ISTIO, LINKERD, build_sample_mesh, kfc_settings, meshed

MESHED = ["embark", "kfc", "retina", "reembed"]
OUTSIDE = ["schema", "verify", "drop", "drop-keyspace"]
LINKERD_PORTS = "config.linkerd.io/skip-outbound-ports"
ISTIO_PORTS = "traffic.sidecar.istio.io/excludeOutboundPorts"


def kfc_pod(provider: str) -> Manifest:
    cache = meshed(provider)
    built = build_kfc(build_context(cache), kfc_settings(cache))
    (deployment,) = (m for m in built if m["kind"] == "Deployment")
    return dict(deployment["spec"]["template"]["metadata"])


@pytest.mark.parametrize("title", MESHED)
def test_a_pod_that_calls_or_is_called_has_a_proxy_that_stops_with_it(title: str) -> None:
    linkerd, istio = (build_pod_mesh(meshed(provider), title) for provider in ("linkerd", "istio"))
    assert linkerd.annotations["linkerd.io/inject"] == "enabled"
    assert linkerd.annotations["config.alpha.linkerd.io/proxy-enable-native-sidecar"] == "true"
    assert linkerd.annotations["config.beta.linkerd.io/proxy-enable-native-sidecar"] == "true"
    assert istio.labels == {"sidecar.istio.io/inject": "true"}
    assert istio.annotations["sidecar.istio.io/nativeSidecar"] == "true"
    assert istio.annotations["sidecar.istio.io/rewriteAppHTTPProbers"] == "true"
    assert json.loads(istio.annotations["proxy.istio.io/config"]) == {"holdApplicationUntilProxyStarts": True}


@pytest.mark.parametrize("title", OUTSIDE)
def test_a_job_that_uses_only_store_and_topic_has_no_proxy(title: str) -> None:
    assert build_pod_mesh(meshed("linkerd"), title) == PodMesh(annotations={"linkerd.io/inject": "disabled"})
    assert build_pod_mesh(meshed("istio"), title) == PodMesh(labels={"sidecar.istio.io/inject": "false"})


@pytest.mark.parametrize(("provider", "annotation"), [("linkerd", LINKERD_PORTS), ("istio", ISTIO_PORTS)])
def test_traffic_to_store_and_topic_bypasses_the_proxy(provider: str, annotation: str) -> None:
    backends: dict[str, dict[str, Any]] = {
        "store": {"cassandra": {"port": 9142}},
        "topic": {"kafka": {"bootstrapServers": ["a:9094", "[::1]:9092", "b:9094"]}},
    }
    for title in ("embark", "kfc", "reembed"):
        assert build_pod_mesh(meshed(provider, **backends), title).annotations[annotation] == "9092,9094,9142"


@pytest.mark.parametrize(("provider", "annotation"), [("linkerd", LINKERD_PORTS), ("istio", ISTIO_PORTS)])
def test_a_store_at_the_grpc_port_does_not_let_retina_calls_bypass_the_mesh(provider: str, annotation: str) -> None:
    shared: dict[str, dict[str, Any]] = {
        "store": {"cassandra": {"port": 50051}},
        "topic": {"kafka": {"bootstrapServers": ["kafka:9092"]}},
    }
    assert build_pod_mesh(meshed(provider, **shared), "kfc").annotations[annotation] == "9092"
    shared["topic"] = {"kafka": {"bootstrapServers": ["kafka:50051"]}}
    assert annotation not in build_pod_mesh(meshed(provider, **shared), "kfc").annotations


def test_retina_fetches_without_the_proxy() -> None:
    assert build_pod_mesh(meshed("linkerd"), "retina").annotations[LINKERD_PORTS] == "1-65535"
    istio = build_pod_mesh(meshed("istio"), "retina").annotations
    assert istio["traffic.sidecar.istio.io/includeOutboundIPRanges"] == ""
    assert ISTIO_PORTS not in istio


@pytest.mark.parametrize("provider", ["linkerd", "istio"])
def test_the_pods_of_a_deployment_have_the_metadata_of_the_mesh_and_their_own(provider: str) -> None:
    plain, pod = kfc_pod("none"), kfc_pod(provider)
    mesh = build_pod_mesh(meshed(provider), "kfc")
    assert pod["labels"] == plain["labels"] | dict(mesh.labels)
    assert pod["annotations"] == plain["annotations"] | dict(mesh.annotations)


def test_without_a_mesh_nothing_is_built() -> None:
    built = build_sample_mesh(meshed("none"), LINKERD)
    assert (built.manifests, built.missing) == ((), ())
    assert build_sample_mesh(meshed("none"), ISTIO) == built
    assert build_pod_mesh(meshed("none"), "embark") == PodMesh()
