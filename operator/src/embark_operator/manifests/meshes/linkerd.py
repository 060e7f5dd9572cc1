"""The objects of a cache under Linkerd: who may call which port.

The fields are those of Linkerd's reference (Authorization Policy, Proxy Configuration).
"""

from collections.abc import Sequence
from typing import Final

from embark.spec import EmbeddingCache
from embark.spec.serving import AuthorizedClient
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import (
    LINKERD_AUTHORIZATION,
    LINKERD_SERVER,
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    Kind,
)
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.containers import GRPC, PROBES
from embark_operator.manifests.meshes.linkerd_routes import build_routes
from embark_operator.manifests.meshes.meshed import MeshChildren, MeshedCache, PodMesh, is_meshed, outside_ports
from embark_operator.names import Manifest

_POLICY_KINDS: Final = (LINKERD_SERVER, LINKERD_AUTHORIZATION, MESH_TLS_AUTHENTICATION, NETWORK_AUTHENTICATION)
_ANY_CLIENT: Final = "*"
_EVERY_NETWORK: Final = ("0.0.0.0/0", "::/0")
_EVERY_PORT: Final = "1-65535"


def build_linkerd(meshed: MeshedCache, apis: Apis) -> MeshChildren:
    """Return policies for every port, and routes to EmbArk with timeouts and retries.

    The policies are built all together or not at all: a Server without policies denies everything.
    """
    missing = apis.missing(*_POLICY_KINDS)
    policies = () if missing else (*_embark(meshed), *_retinas(meshed), *_probes(meshed))
    routes = build_routes(meshed, apis)
    return MeshChildren((*policies, *routes.manifests), (*missing, *routes.missing))


def linkerd_pod(cache: EmbeddingCache, title: str) -> PodMesh:
    """Return the annotations of a component's pods."""
    if not is_meshed(title):
        return PodMesh(annotations={"linkerd.io/inject": "disabled"})
    skipped = _EVERY_PORT if title == "retina" else outside_ports(cache)
    annotations = {
        "linkerd.io/inject": "enabled",
        # As a sidecar container, the proxy starts before the component and stops after it: no call is lost, and Jobs
        # complete. Under both names: which one Linkerd reads depends on its version.
        "config.alpha.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.beta.linkerd.io/proxy-enable-native-sidecar": "true",
        # Not opaque-ports, which is for inbound ports.
        "config.linkerd.io/skip-outbound-ports": skipped,
    }
    return PodMesh(annotations={name: value for name, value in annotations.items() if value})


def _embark(meshed: MeshedCache) -> Sequence[Manifest]:
    return _guarded(meshed.embark, meshed.clients)


def _retinas(meshed: MeshedCache) -> Sequence[Manifest]:
    return [part for retina in meshed.retinas for part in _guarded(retina, meshed.encoders(retina))]


def _guarded(component: Component, clients: Sequence[AuthorizedClient]) -> Sequence[Manifest]:
    """Return the policies that let only these clients call a component's gRPC port; without any, all meshed ones."""
    named = [{"kind": "ServiceAccount", "name": c.service_account, "namespace": c.namespace} for c in clients]
    authenticated = {"identityRefs": named} if named else {"identities": [_ANY_CLIENT]}
    return [
        _build(component, MESH_TLS_AUTHENTICATION, authenticated),
        _authorization(component, MESH_TLS_AUTHENTICATION),
        _server(component, component.selector, GRPC, "gRPC"),
    ]


def _probes(meshed: MeshedCache) -> Sequence[Manifest]:
    """Return the policies that let every client read health and metrics: kubelets and monitoring may not be meshed."""
    component = meshed.probes
    return [
        _build(component, NETWORK_AUTHENTICATION, {"networks": [{"cidr": cidr} for cidr in _EVERY_NETWORK]}),
        _authorization(component, NETWORK_AUTHENTICATION),
        _server(component, meshed.every_pod, PROBES, "HTTP/1"),
    ]


def _authorization(component: Component, authentication: Kind) -> Manifest:
    spec = {
        "targetRef": _reference(LINKERD_SERVER, component.name),
        "requiredAuthenticationRefs": [_reference(authentication, component.name)],
    }
    return _build(component, LINKERD_AUTHORIZATION, spec)


def _server(component: Component, pods: dict[str, str], port: str, protocol: str) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": pods},
        "port": port,
        "proxyProtocol": protocol,
        "accessPolicy": "deny",
    }
    return _build(component, LINKERD_SERVER, spec)


def _reference(kind: Kind, name: str) -> Manifest:
    return {"group": kind.group, "kind": kind.name, "name": name}


def _build(component: Component, kind: Kind, spec: Manifest) -> Manifest:
    return build_child(component, kind.api_version, kind.name, {"spec": spec})
