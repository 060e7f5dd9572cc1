"""The NetworkPolicies of a cache: its pods send and receive only these flows.

    clients ─grpc→ EmbArk ─→ Cassandra, Kafka     operator, monitoring ─probes→ EmbArk, KFC, Retina, re-embedding
    KFC, re-embedding ─→ Cassandra, Kafka, and ─grpc→ the Retina of their space; re-embedding ─probes→ EmbArk
    the other Jobs ─→ Cassandra, Kafka            Retina ─→ public addresses, allowedPrivateNetworks, the model's host

and DNS for all; a kubelet's probes need no policy. Policies add up: to allow another flow (brokers with ports that
bootstrapServers does not name, a model behind a Service whose pods have another port, clients outside the cluster), add
a policy for the pods with the label embark.dev/cache. A CNI that identifies pods only by their labels, such as Cilium,
does not apply allowedPrivateNetworks to pods.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from embark.errors import InvalidSpecError
from embark.settings import Listen
from embark.spec import EmbeddingCache, Encoder
from embark.spec.access import Peer
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.meshes.meshed import mesh_flows
from embark_operator.manifests.network_addresses import (
    NAMESPACE_NAME,
    address_peer,
    any_pod_peer,
    network_peer,
    peers_for_hosts,
    public_peers,
    service_peer,
)
from embark_operator.names import (
    CACHE_LABEL,
    COMPONENT_LABEL,
    DROP_KEYSPACE,
    SPACE_LABEL,
    Manifest,
    embark_name,
    kfc_name,
    retina_name,
)

OPERATOR: Final = {"app.kubernetes.io/name": "embark-operator"}
"""The labels of the operator's pods, as in charts/embark."""

_FILLING: Final = ("kfc", "reembed")
_STORE_JOBS: Final = ("schema", "verify", "drop", DROP_KEYSPACE)
_PORTS: Final = range(1, 65536)
_SCHEME_PORTS: Final = {"https": 443, "http": 80}
# A policy applies to the port of the pod: 5353 for OpenShift's DNS, 53 for kube-dns and CoreDNS.
_DNS_PORTS: Final = (53, 5353)
_NODE_LOCAL_DNS: Final = "169.254.20.10/32"  # NodeLocal DNSCache: the only link-local address that a pod needs


def build_network_policies(
    cache: EmbeddingCache, uid: str, encoders: Mapping[str, Encoder], operator_namespace: str
) -> list[Manifest]:
    """Return the policies of a cache; none if spec.network.policies is false.

    `encoders` has the encoder of each space by the space's id. With an empty `operator_namespace`, pods with the
    operator's labels are let in from any namespace.

    The policy that denies everything else comes last, so that applying them one by one cuts no allowed flow.

    Raises:
        InvalidSpecError: the port of a broker, or the URI of the model, is invalid.
    """
    if not cache.spec.network.policies:
        return []
    rules = _FlowRules(cache, operator_namespace)
    name = cache.metadata.name
    policies = [_build(Component(cache, uid, "embark", embark_name(cache)), ("embark",), *rules.embark())]
    for space, encoder in encoders.items():
        kfc = Component(cache, uid, "kfc", kfc_name(cache, space), space)
        reembed = Component(cache, uid, "reembed", f"{name}-reembed-{space}", space)
        retina = Component(cache, uid, "retina", retina_name(cache, space), space)
        policies.append(_build(kfc, ("kfc",), *rules.kfc(space)))
        policies.append(_build(reembed, ("reembed",), *rules.reembedding(space)))
        policies.append(_build(retina, ("retina",), *rules.retina(space, encoder)))
    policies.append(_build(Component(cache, uid, "jobs", f"{name}-jobs"), _STORE_JOBS, *rules.store_jobs()))
    return [*policies, _build(Component(cache, uid, "pods", f"{name}-pods"), (), [], [])]


class _FlowRules:
    """Ingress and egress rules of one cache's components."""

    def __init__(self, cache: EmbeddingCache, operator_namespace: str) -> None:
        self._cache = cache
        self._mesh = mesh_flows(cache.spec.mesh.provider)
        where = {"matchLabels": {NAMESPACE_NAME: operator_namespace}} if operator_namespace else {}
        self._operator = {"namespaceSelector": where, "podSelector": {"matchLabels": OPERATOR}}

    def embark(self) -> tuple[list[Manifest], list[Manifest]]:
        clients = _peers(self._cache.spec.network.clients)
        lookups = {"from": clients, "ports": self._grpc()}
        pacing = self._pods(("reembed",))
        return [lookups, *self._probes(pacing)], [*self._to_backends(), *self._to_control_plane()]

    def kfc(self, space: str) -> tuple[list[Manifest], list[Manifest]]:
        retina = {"to": [self._pods(("retina",), space)], "ports": self._grpc()}
        return self._probes(), [*self._to_backends(), retina, *self._to_control_plane()]

    def reembedding(self, space: str) -> tuple[list[Manifest], list[Manifest]]:
        ingress, egress = self.kfc(space)
        embark = {"to": [self._pods(("embark",))], "ports": self._ports(Listen().probes_port)}
        return ingress, [*egress, embark]

    def retina(self, space: str, encoder: Encoder) -> tuple[list[Manifest], list[Manifest]]:
        encodes = {"from": [self._pods(_FILLING, space)], "ports": self._grpc()}
        allowed = [network_peer(str(block)) for block in encoder.fetch.allowed_private_networks]
        fetched = {"to": [*public_peers(), *allowed], "ports": [{"protocol": "TCP"}]}
        egress = [_to_dns(), fetched, *self._to_model(encoder), *self._to_control_plane()]
        return [encodes, *self._probes()], egress

    def store_jobs(self) -> tuple[list[Manifest], list[Manifest]]:
        """Return the rules of Jobs that call only the store and the topic; they have no mesh proxy."""
        return [], self._to_backends()

    def _to_backends(self) -> list[Manifest]:
        cassandra, kafka = self._cache.spec.store.cassandra, self._cache.spec.topic.kafka
        servers = [server.rpartition(":") for server in kafka.bootstrap_servers]
        hosts, ports = [host.strip("[]") for host, _, _ in servers], {int(port) for _, _, port in servers}
        if not all(port in _PORTS for port in ports):
            raise InvalidSpecError("spec.topic.kafka.bootstrapServers", "a port must be between 1 and 65535")
        return [
            _to_dns(),
            {"to": peers_for_hosts(cassandra.contact_points), "ports": _tcp(cassandra.port)},
            {"to": peers_for_hosts(hosts), "ports": _tcp(*sorted(ports))},
        ]

    def _to_control_plane(self) -> list[Manifest]:
        if not self._mesh:
            return []
        control_plane = {"namespaceSelector": {}, "podSelector": self._mesh.control_plane}
        return [{"to": [control_plane], "ports": _tcp(*self._mesh.control_ports)}]

    def _to_model(self, encoder: Encoder) -> list[Manifest]:
        """Return the rule for a model in the cluster or a private network; public ones, files and buckets need none."""
        try:
            uri = urlsplit(encoder.model.uri)
            host, port = uri.hostname, uri.port or _SCHEME_PORTS.get(uri.scheme)
        except ValueError as error:
            raise InvalidSpecError("spec.encoder.model.uri", str(error)) from error
        if not host or not port or uri.scheme not in _SCHEME_PORTS:
            return []
        peer = address_peer(host) or service_peer(host, self._cache.metadata.namespace)
        return [{"to": [peer], "ports": _tcp(port)}] if peer else []

    def _probes(self, *others: Manifest) -> list[Manifest]:
        readers = [*_peers(self._cache.spec.network.monitoring), self._operator, *others]
        metrics = [self._mesh.metrics_port] if self._mesh else []
        return [{"from": readers, "ports": self._ports(Listen().probes_port, *metrics)}]

    def _grpc(self) -> list[Manifest]:
        return self._ports(Listen().grpc_port)

    def _ports(self, *ports: int) -> list[Manifest]:
        """Return the ports of a flow: two proxies of a mesh use their own port in place of these."""
        return _tcp(*ports, *([self._mesh.tunnel_port] if self._mesh else []))

    def _pods(self, components: Sequence[str], space: str = "") -> Manifest:
        return {"podSelector": _select(self._cache, components, space)}


def _build(
    component: Component, components: Sequence[str], ingress: list[Manifest], egress: list[Manifest]
) -> Manifest:
    selector = _select(component.cache, components, component.space_id)
    rules = {"ingress": ingress, "egress": egress}
    # The API server drops empty lists, which mean the same as none.
    spec = {"podSelector": selector, "policyTypes": ["Ingress", "Egress"]} | {k: v for k, v in rules.items() if v}
    # Without shared parts, which YAML would write as anchors.
    return build_child(component, "networking.k8s.io/v1", "NetworkPolicy", {"spec": copy.deepcopy(spec)})


def _select(cache: EmbeddingCache, components: Sequence[str], space: str) -> Manifest:
    """Return a selector of the cache's pods: of these components, or of all; of that space, or of any."""
    labels = {CACHE_LABEL: cache.metadata.name} | ({SPACE_LABEL: space} if space else {})
    if not components:
        return {"matchLabels": labels}
    if len(components) == 1:
        return {"matchLabels": labels | {COMPONENT_LABEL: components[0]}}
    components_in = {"key": COMPONENT_LABEL, "operator": "In", "values": list(components)}
    return {"matchLabels": labels, "matchExpressions": [components_in]}


def _peers(peers: Sequence[Peer]) -> list[Manifest]:
    return [_peer(peer) for peer in peers] or [any_pod_peer()]


def _peer(peer: Peer) -> Manifest:
    where = {"matchLabels": {NAMESPACE_NAME: peer.namespace}} if peer.namespace else {}
    labels = [{"key": name, "operator": "In", "values": [value]} for name, value in peer.labels]
    return {"namespaceSelector": where} | ({"podSelector": {"matchExpressions": labels}} if labels else {})


def _to_dns() -> Manifest:
    ports = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in _DNS_PORTS]
    return {"to": [any_pod_peer(), network_peer(_NODE_LOCAL_DNS)], "ports": ports}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]
