"""The objects of a cache under Istio: who may call which port, and how calls are spread; called by `build_mesh`."""

import json
from collections.abc import Sequence
from typing import Final

from embark.settings import Listen
from embark.spec import EmbeddingCache
from embark.spec.serving import AuthorizedClient
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import DESTINATION_RULE, ISTIO_AUTHORIZATION, PEER_AUTHENTICATION, Kind
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.meshes.meshed import MeshChildren, Meshed, PodMesh, is_meshed, outside_ports
from embark_operator.names import Manifest

_EVERYBODY: Final = "*"
# Mild: a pod is left out that failed five calls in a row, for half a minute, and never more than half of them. A store
# that is away makes no call fail, since EmbArk answers each key with its status.
_OUTLIERS: Final = {
    "consecutiveGatewayErrors": 5,
    "interval": "10s",
    "baseEjectionTime": "30s",
    "maxEjectionPercent": 50,
}


def build_istio(meshed: Meshed, apis: Apis) -> MeshChildren:
    """Return mTLS and policies for every port, and how calls of EmbArk are spread.

    The objects of one API come all or not at all.
    """
    policies = (_mutual_tls(meshed), *_authorizations(meshed))
    lacking = apis.lack(PEER_AUTHENTICATION, ISTIO_AUTHORIZATION)
    spread, unspread = _destination_rule(meshed), apis.lack(DESTINATION_RULE)
    manifests = (*(() if lacking else policies), *(() if unspread else (spread,)))
    return MeshChildren(manifests, (*lacking, *unspread))


def istio_pod(cache: EmbeddingCache, title: str) -> PodMesh:
    """Return the labels and annotations of a component's pods."""
    if not is_meshed(title):
        return PodMesh(labels={"sidecar.istio.io/inject": "false"})
    annotations = {
        # A proxy that starts before the component and ends after it: no call is lost, and Jobs end. An Istio that does
        # not know of it at least lets the component wait for the proxy.
        "sidecar.istio.io/nativeSidecar": "true",
        "proxy.istio.io/config": json.dumps({"holdApplicationUntilProxyStarts": True}),
        "sidecar.istio.io/rewriteAppHTTPProbers": "true",
    }
    ports = outside_ports(cache)
    if title == "retina":
        annotations["traffic.sidecar.istio.io/includeOutboundIPRanges"] = ""
    elif ports:
        annotations["traffic.sidecar.istio.io/excludeOutboundPorts"] = ports
    return PodMesh(labels={"sidecar.istio.io/inject": "true"}, annotations=annotations)


def _mutual_tls(meshed: Meshed) -> Manifest:
    """Return what refuses plain text everywhere but at the probes, which monitoring outside of the mesh asks too."""
    spec = {
        "selector": {"matchLabels": meshed.every_pod},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {str(Listen().probes_port): {"mode": "PERMISSIVE"}},
    }
    return _build(meshed.probes, PEER_AUTHENTICATION, spec)


def _authorizations(meshed: Meshed) -> Sequence[Manifest]:
    trust = meshed.cache.spec.mesh.trust_domain
    return [
        _authorization(meshed.probes, meshed.every_pod, {"to": _ports(Listen().probes_port)}),
        _grpc(meshed.embark, meshed.clients, trust),
        *(_grpc(retina, meshed.encoders(retina), trust) for retina in meshed.retinas),
    ]


def _grpc(component: Component, clients: Sequence[AuthorizedClient], trust_domain: str) -> Manifest:
    """Return what lets these clients alone call a component's gRPC port; none of them: everybody in the mesh."""
    named = [f"{trust_domain}/ns/{client.namespace}/sa/{client.service_account}" for client in clients]
    source = {"source": {"principals": named or [_EVERYBODY]}}
    return _authorization(component, component.selector, {"from": [source], "to": _ports(Listen().grpc_port)})


def _authorization(component: Component, pods: dict[str, str], rule: Manifest) -> Manifest:
    spec = {"selector": {"matchLabels": pods}, "action": "ALLOW", "rules": [rule]}
    return _build(component, ISTIO_AUTHORIZATION, spec)


def _ports(port: int) -> list[Manifest]:
    return [{"operation": {"ports": [str(port)]}}]


def _destination_rule(meshed: Meshed) -> Manifest:
    """Return how calls to the Service with an address of its own are spread; Istio balances no headless one.

    Of the gRPC port alone: the probes are HTTP/1.
    """
    grpc = {
        "port": {"number": Listen().grpc_port},
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}},
        "outlierDetection": dict(_OUTLIERS),
    }
    # A name without dots is of the rule's own namespace, whatever the cluster's domain is.
    spec = {"host": meshed.embark.name, "trafficPolicy": {"portLevelSettings": [grpc]}}
    return _build(meshed.embark, DESTINATION_RULE, spec)


def _build(component: Component, kind: Kind, spec: Manifest) -> Manifest:
    return build_child(component, kind.api_version, kind.name, {"spec": spec})
