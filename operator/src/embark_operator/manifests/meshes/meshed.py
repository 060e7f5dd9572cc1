"""What any mesh is told of a cache: its components, who may call them, and which ports are none of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from embark.settings import Listen
from embark.spec import EmbeddingCache
from embark.spec.serving import AuthorizedClient
from embark_operator.manifests.children import Component
from embark_operator.names import CACHE_LABEL, Manifest, embark_name, kfc_name, retina_name

# A pod of these talks to the store and the topic alone, which are outside of the mesh; without a proxy its Job ends
# also where the mesh is too old for sidecars that end with the pod.
_OUTSIDE: Final = frozenset({"schema", "verify", "drop", "drop-keyspace"})


@dataclass(frozen=True, slots=True)
class MeshChildren:
    """The objects of a mesh, and what the cluster lacks for the others."""

    manifests: tuple[Manifest, ...] = ()
    missing: tuple[str, ...] = ()
    """APIs that are not served, as `<API version> <kind>`; what they were wanted for is not in force."""


@dataclass(frozen=True, slots=True)
class PodMesh:
    """What the metadata of a pod has for a mesh."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meshed:
    """A cache in a mesh."""

    cache: EmbeddingCache
    uid: str
    spaces: tuple[str, ...]
    """Ids of those that have a KFC and a Retina."""

    @property
    def embark(self) -> Component:
        """EmbArk."""
        return Component(self.cache, self.uid, "embark", embark_name(self.cache))

    @property
    def retinas(self) -> tuple[Component, ...]:
        """The Retina of every space."""
        return tuple(
            Component(self.cache, self.uid, "retina", retina_name(self.cache, space), space) for space in self.spaces
        )

    @property
    def probes(self) -> Component:
        """What is about the probes of all pods."""
        return Component(self.cache, self.uid, "mesh", f"{self.cache.metadata.name}-probes")

    @property
    def every_pod(self) -> dict[str, str]:
        """The labels that select every pod of the cache, those of its Jobs too."""
        return {CACHE_LABEL: self.cache.metadata.name}

    @property
    def clients(self) -> tuple[AuthorizedClient, ...]:
        """Who may look up; empty: everybody in the mesh."""
        return self.cache.spec.mesh.authorized_clients

    def encoders(self, retina: Component) -> tuple[AuthorizedClient, ...]:
        """Return who may have keys encoded by a Retina: its space's KFC, whose account the re-embedding has too."""
        account = kfc_name(self.cache, retina.space_id)
        return (AuthorizedClient(service_account=account, namespace=self.cache.metadata.namespace),)


def is_meshed(title: str) -> bool:
    """Return whether the pods of a component get a proxy."""
    return title not in _OUTSIDE


def outside_ports(cache: EmbeddingCache) -> str:
    """Return the ports of store and topic, `9042,9092`, which no proxy is to look into.

    A port that is EmbArk's gRPC port too is left out, so that calls of Retina do not slip past the mesh. Brokers may
    advertise other ports than those in the spec; a proxy passes these on as TCP, since it sees that they are no HTTP.
    """
    kafka = cache.spec.topic.kafka.bootstrap_servers
    ports = {cache.spec.store.cassandra.port, *(int(server.rpartition(":")[2]) for server in kafka)}
    return ",".join(map(str, sorted(ports - {Listen().grpc_port})))
