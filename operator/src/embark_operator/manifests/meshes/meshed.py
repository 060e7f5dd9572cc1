"""A cache as any mesh sees it: its components, who may call them, and which ports and flows it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from embark.settings import Listen
from embark.spec import EmbeddingCache
from embark.spec.serving import AuthorizedClient, MeshProvider
from embark_operator.manifests.children import Component
from embark_operator.names import CACHE_LABEL, Manifest, embark_name, kfc_name, retina_name

# The pods of these Jobs call only the store and the topic, which are outside of the mesh. Without a proxy, a Job
# completes even if the mesh does not support sidecar containers.
_UNMESHED: Final = frozenset({"schema", "verify", "drop", "drop-keyspace"})


@dataclass(frozen=True, slots=True)
class MeshChildren:
    """The objects of a mesh, and what the cluster lacks for the others."""

    manifests: tuple[Manifest, ...] = ()
    missing: tuple[str, ...] = ()
    """APIs that are not served, as `<API version> <kind>`; what they are for is not in effect."""


@dataclass(frozen=True, slots=True)
class PodMesh:
    """The labels and annotations of a pod for its mesh."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeshedCache:
    """A cache in a mesh."""

    cache: EmbeddingCache
    uid: str
    spaces: tuple[str, ...]
    """The ids of the spaces that have a KFC and a Retina."""

    @property
    def embark(self) -> Component:
        """The component EmbArk."""
        return Component(self.cache, self.uid, "embark", embark_name(self.cache))

    @property
    def retinas(self) -> tuple[Component, ...]:
        """The Retinas of all spaces."""
        return tuple(
            Component(self.cache, self.uid, "retina", retina_name(self.cache, space), space) for space in self.spaces
        )

    @property
    def probes(self) -> Component:
        """The component of the policies about the probes of all pods."""
        return Component(self.cache, self.uid, "mesh", f"{self.cache.metadata.name}-probes")

    @property
    def every_pod(self) -> dict[str, str]:
        """The labels that select every pod of the cache, including those of its Jobs."""
        return {CACHE_LABEL: self.cache.metadata.name}

    @property
    def clients(self) -> tuple[AuthorizedClient, ...]:
        """The clients that may call EmbArk; empty for every client in the mesh."""
        return self.cache.spec.mesh.authorized_clients

    def encoders(self, retina: Component) -> tuple[AuthorizedClient, ...]:
        """Return the clients that may call a Retina: the account of its space's KFC, also used by re-embedding."""
        account = kfc_name(self.cache, retina.space_id)
        return (AuthorizedClient(service_account=account, namespace=self.cache.metadata.namespace),)


def is_meshed(title: str) -> bool:
    """Return whether the pods of a component have a proxy."""
    return title not in _UNMESHED


def outside_ports(cache: EmbeddingCache) -> str:
    """Return the ports of store and topic that bypass the proxy, as in `9042,9092`.

    EmbArk's gRPC port is never among them, so that calls of Retina do not bypass the mesh. Brokers may advertise ports
    that the spec does not name; the proxy detects that they are not HTTP, and forwards them as TCP.
    """
    kafka = cache.spec.topic.kafka.bootstrap_servers
    ports = {cache.spec.store.cassandra.port, *(int(server.rpartition(":")[2]) for server in kafka)}
    return ",".join(map(str, sorted(ports - {Listen().grpc_port})))


@dataclass(frozen=True, slots=True)
class MeshFlows:
    """The flows of a mesh's proxies."""

    control_plane: Manifest
    """Selects the pods that send certificates and destinations to the proxies."""
    control_ports: tuple[int, ...]
    tunnel_port: int
    """Where a proxy receives what another one sends to any port of its pod; the mesh decides who may use it."""
    metrics_port: int


# Linkerd: identity, destination and policy; the proxy's inbound port, which replaces every port between two proxies
# (linkerd.io, "Common errors: Network Policy"), and its admin port. Istio: xDS and certificates of istiod; HBONE, for
# ambient mode; merged metrics (istio.io, "Ports used by Istio").
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
    """Return the flows of a mesh's proxies; None without a mesh."""
    return _FLOWS.get(provider)
