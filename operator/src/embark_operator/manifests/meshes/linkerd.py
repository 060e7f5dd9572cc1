"""The objects of a cache under Linkerd: who may call which port; called by `build_mesh`.

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
from embark_operator.manifests.meshes.meshed import MeshChildren, Meshed, PodMesh, is_meshed, outside_ports
from embark_operator.names import Manifest

_POLICY_KINDS: Final = (LINKERD_SERVER, LINKERD_AUTHORIZATION, MESH_TLS_AUTHENTICATION, NETWORK_AUTHENTICATION)
_EVERYBODY: Final = "*"
_EVERY_NETWORK: Final = ("0.0.0.0/0", "::/0")
_EVERY_PORT: Final = "1-65535"


def build_linkerd(meshed: Meshed, apis: Apis) -> MeshChildren:
    """Return policies for every port, and routes with timeouts and retries to EmbArk.

    The policies come all or not at all: a Server alone denies everything.
    """
    missing = apis.lack(*_POLICY_KINDS)
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
        # A proxy that starts before the component and ends after it: no call is lost, and Jobs end. By both of its
        # names, since a Linkerd knows only those of its time.
        "config.alpha.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.beta.linkerd.io/proxy-enable-native-sidecar": "true",
        # Not opaque-ports, which is about what comes into a pod.
        "config.linkerd.io/skip-outbound-ports": skipped,
    }
    return PodMesh(annotations={name: value for name, value in annotations.items() if value})


def _embark(meshed: Meshed) -> Sequence[Manifest]:
    return _guarded(meshed.embark, meshed.clients)


def _retinas(meshed: Meshed) -> Sequence[Manifest]:
    return [part for retina in meshed.retinas for part in _guarded(retina, meshed.encoders(retina))]


def _guarded(component: Component, clients: Sequence[AuthorizedClient]) -> Sequence[Manifest]:
    """Return what lets these clients alone call a component's gRPC port; none of them: everybody in the mesh."""
    named = [{"kind": "ServiceAccount", "name": c.service_account, "namespace": c.namespace} for c in clients]
    who = {"identityRefs": named} if named else {"identities": [_EVERYBODY]}
    return [
        _build(component, MESH_TLS_AUTHENTICATION, who),
        _authorization(component, MESH_TLS_AUTHENTICATION),
        _server(component, component.selector, GRPC, "gRPC"),
    ]


def _probes(meshed: Meshed) -> Sequence[Manifest]:
    """Return what lets everybody ask for health and metrics: kubelets and monitoring may be in no mesh."""
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
