"""The flows that a mesh's proxy adds to those of its pod; network_policies calls it."""

from dataclasses import dataclass
from typing import Final

from embark.spec.serving import MeshProvider
from embark_operator.names import Manifest


@dataclass(frozen=True, slots=True)
class MeshFlows:
    """What the proxies of one mesh need."""

    control_plane: Manifest
    """Selects the pods that proxies have their certificates and destinations from."""
    control_ports: tuple[int, ...]
    tunnel_port: int
    """Where a proxy takes what another one sends to any port of its pod; who may use that port is then the mesh's."""
    metrics_port: int


# Linkerd: identity, destination and policy; the proxy's inbound port, which takes the place of every port between two
# proxies (linkerd.io, "Common errors: Network Policy"), and its admin port. Istio: xDS and certificates of istiod;
# HBONE, for ambient mode; merged metrics (istio.io, "Ports used by Istio").
_FLOWS: Final = {
    MeshProvider.LINKERD: MeshFlows(
        {"matchExpressions": [{"key": "linkerd.io/control-plane-component", "operator": "Exists"}]},
        (8080, 8086, 8090),
        tunnel_port=4143,
        metrics_port=4191,
    ),
    MeshProvider.ISTIO: MeshFlows({"matchLabels": {"app": "istiod"}}, (15012,), tunnel_port=15008, metrics_port=15020),
}


def mesh_flows(provider: MeshProvider) -> MeshFlows | None:
    """Return the flows of a mesh; None: there is none."""
    return _FLOWS.get(provider)
