"""The objects of a cache under Istio: who may call which port, and how calls are balanced."""

import json
from collections.abc import Sequence
from typing import Final

from embark.settings import Listen
from embark.spec import EmbeddingCache
from embark.spec.serving import AuthorizedClient
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import DESTINATION_RULE, ISTIO_AUTHORIZATION, PEER_AUTHENTICATION, Kind
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.meshes.meshed import MeshChildren, MeshedCache, PodMesh, is_meshed, outside_ports
from embark_operator.names import Manifest

_ANY_CLIENT: Final = "*"
# Mild: a pod that failed five calls in a row is ejected for half a minute, and never more than half of the pods. An
# outage of the store fails no call, since EmbArk answers each key with its status.
_OUTLIERS: Final = {
    "consecutiveGatewayErrors": 5,
    "interval": "10s",
    "baseEjectionTime": "30s",
    "maxEjectionPercent": 50,
}


def build_istio(meshed: MeshedCache, apis: Apis) -> MeshChildren:
    """Return mTLS and policies for every port, and how calls to EmbArk are balanced.

    The policies are built all together or not at all.
    """
    policies = (_mutual_tls(meshed), *_authorizations(meshed))
    missing_policies = apis.missing(PEER_AUTHENTICATION, ISTIO_AUTHORIZATION)
    balancing, missing_balancing = _destination_rule(meshed), apis.missing(DESTINATION_RULE)
    manifests = (*(() if missing_policies else policies), *(() if missing_balancing else (balancing,)))
    return MeshChildren(manifests, (*missing_policies, *missing_balancing))


def istio_pod(cache: EmbeddingCache, title: str) -> PodMesh:
    """Return the labels and annotations of a component's pods."""
    if not is_meshed(title):
        return PodMesh(labels={"sidecar.istio.io/inject": "false"})
    annotations = {
        # As a sidecar container, the proxy starts before the component and stops after it: no call is lost, and Jobs
        # complete. An Istio without support for it at least lets the component wait for the proxy.
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


def _mutual_tls(meshed: MeshedCache) -> Manifest:
    """Return the policy that rejects plain text except at the probes, which monitoring outside of the mesh reads."""
    spec = {
        "selector": {"matchLabels": meshed.every_pod},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {str(Listen().probes_port): {"mode": "PERMISSIVE"}},
    }
    return _build(meshed.probes, PEER_AUTHENTICATION, spec)


def _authorizations(meshed: MeshedCache) -> Sequence[Manifest]:
    trust = meshed.cache.spec.mesh.trust_domain
    return [
        _authorization(meshed.probes, meshed.every_pod, {"to": _ports(Listen().probes_port)}),
        _grpc(meshed.embark, meshed.clients, trust),
        *(_grpc(retina, meshed.encoders(retina), trust) for retina in meshed.retinas),
    ]


def _grpc(component: Component, clients: Sequence[AuthorizedClient], trust_domain: str) -> Manifest:
    """Return the policy that lets only these clients call a component's gRPC port; without any, all meshed ones."""
    named = [f"{trust_domain}/ns/{client.namespace}/sa/{client.service_account}" for client in clients]
    source = {"source": {"principals": named or [_ANY_CLIENT]}}
    return _authorization(component, component.selector, {"from": [source], "to": _ports(Listen().grpc_port)})


def _authorization(component: Component, pods: dict[str, str], rule: Manifest) -> Manifest:
    spec = {"selector": {"matchLabels": pods}, "action": "ALLOW", "rules": [rule]}
    return _build(component, ISTIO_AUTHORIZATION, spec)


def _ports(port: int) -> list[Manifest]:
    return [{"operation": {"ports": [str(port)]}}]


def _destination_rule(meshed: MeshedCache) -> Manifest:
    """Return how calls to the Service with a cluster IP are balanced; Istio does not balance headless ones.

    Only for the gRPC port: the probes are HTTP/1.
    """
    grpc = {
        "port": {"number": Listen().grpc_port},
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}},
        "outlierDetection": dict(_OUTLIERS),
    }
    # A name without dots resolves in the rule's namespace, for any cluster domain.
    spec = {"host": meshed.embark.name, "trafficPolicy": {"portLevelSettings": [grpc]}}
    return _build(meshed.embark, DESTINATION_RULE, spec)


def _build(component: Component, kind: Kind, spec: Manifest) -> Manifest:
    return build_child(component, kind.api_version, kind.name, {"spec": spec})
