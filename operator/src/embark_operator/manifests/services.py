"""The Services that gRPC clients resolve, and the account of each component's pods."""

from embark.settings import Listen
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.containers import GRPC, PROBES
from embark_operator.names import Manifest


def build_service(component: Component, listen: Listen) -> Manifest:
    """Return the Service with a cluster IP, for clients that leave load balancing to a mesh or to their pool."""
    return build_child(component, "v1", "Service", {"spec": {"type": "ClusterIP", **_spec(component, listen)}})


def build_headless_service(component: Component, listen: Listen, name: str = "") -> Manifest:
    """Return the headless Service, which resolves to every ready pod, for clients that balance by round_robin."""
    spec = {"type": "ClusterIP", "clusterIP": "None", **_spec(component, listen)}
    return build_child(component, "v1", "Service", {"spec": spec}, name)


def build_account(component: Component) -> Manifest:
    """Return the ServiceAccount that identifies the pods to meshes and clouds; it has no rights."""
    return build_child(component, "v1", "ServiceAccount", {"automountServiceAccountToken": False})


def _spec(component: Component, listen: Listen) -> Manifest:
    grpc = {"name": GRPC, "port": listen.grpc_port, "targetPort": GRPC, "appProtocol": "kubernetes.io/h2c"}
    probes = {"name": PROBES, "port": listen.probes_port, "targetPort": PROBES, "appProtocol": "http"}
    return {"selector": component.selector, "ports": [port | {"protocol": "TCP"} for port in (grpc, probes)]}
