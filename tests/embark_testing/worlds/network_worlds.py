"""Pods of two caches, of a third in another namespace, and of others, and the flows that must be possible.

The flows are listed here by hand, independently of the code that builds the policies.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from embark.spec import EmbeddingCache
from embark_testing.caches import cache_in

SPACES = ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
ACTIVE, CANDIDATE = SPACES
DROPPED = "cccccccccccc"
OPERATOR_NAMESPACE = "embark-system"
GRPC, PROBES, CQL, KAFKA = "TCP/50051", "TCP/8080", "TCP/9042", "TCP/9092"
DNS = ("TCP/53", "UDP/53", "TCP/5353", "UDP/5353")
MODEL = "TCP/80"
PORTS = (GRPC, PROBES, CQL, KAFKA, *DNS, MODEL, "TCP/443", "TCP/22", "TCP/4143", "UDP/50051", "UDP/9092", "UDP/443")

# In the network that the cache of photos may fetch from.
ORIGIN_ADDRESS = "10.9.0.5"
PHOTOS: dict[str, dict[str, Any]] = {
    "encoder": {
        "model": {"uri": "http://models/photos.onnx"},
        "fetch": {"allowedPrivateNetworks": ["10.9.0.0/16"]},
    },
    "network": {
        "clients": [{"namespace": "ads", "pods": "app=ranker"}],
        "monitoring": [{"namespace": "monitoring", "pods": "app=prometheus"}],
    },
}
TITLES: dict[str, dict[str, Any]] = {"encoder": {"model": {"uri": "https://models.example/titles.onnx"}}}
ELSEWHERE = PHOTOS | {"network": {"clients": [{"namespace": "nowhere"}], "monitoring": [{"namespace": "nowhere"}]}}


class Flow(NamedTuple):
    """What one pod may send to another."""

    source: str
    target: str
    port: str


@dataclass(frozen=True)
class Pod:
    """A pod, or a host outside the cluster with an empty `namespace`."""

    name: str
    namespace: str
    address: str
    labels: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def caches() -> list[EmbeddingCache]:
    """Return the caches: two in one namespace, and one with the same name in another."""
    return [
        cache_in("shop", "photos", **PHOTOS),
        cache_in("shop", "titles", **TITLES),
        cache_in("elsewhere", "photos", **ELSEWHERE),
    ]


def pods() -> list[Pod]:
    """Return all pods."""
    return [
        *_cache_pods("shop", "photos", 1),
        *_cache_pods("shop", "titles", 2),
        *_cache_pods("elsewhere", "photos", 3),
        *_others(),
    ]


def flows() -> set[Flow]:
    """Return the allowed flows, among all pairs of pods and all PORTS."""
    free = [str(pod) for pod in _others()]
    found = {Flow(source, target, port) for source in free for target in free for port in PORTS}
    readers = {"photos": ["monitoring/prometheus", f"{OPERATOR_NAMESPACE}/operator"], "titles": free}
    clients = {"photos": ["ads/ranker"], "titles": free}
    for name in ("photos", "titles"):
        found |= set(_cache_flows(f"shop/{name}", clients[name], readers[name], free))
    operator = [f"{OPERATOR_NAMESPACE}/operator"]
    found |= set(_cache_flows("elsewhere/photos", [], operator, free))
    for target in free:
        for space in SPACES:
            if target.startswith("shop/"):
                found.add(Flow(f"shop/photos-retina-{space}", target, MODEL))
    for owner in ("shop/photos", "elsewhere/photos"):
        for space in SPACES:
            fetched = (port for port in PORTS if port.startswith("TCP/"))
            found |= {Flow(f"{owner}-retina-{space}", "ads/origin", port) for port in fetched}
    return found


def outside() -> list[Pod]:
    """Return hosts outside the cluster: public, private and link-local addresses."""
    addresses = {
        "public": "93.184.216.34",
        "public6": "2606:4700::1111",
        "public-by-nat64": "64:ff9b::5db8:d822",
        "private": "172.16.4.4",
        "private6": "fc00::1",
        "private-by-nat64": "64:ff9b::a00:1",
        "allowed": "10.9.1.1",
        "metadata": "169.254.169.254",
        "node-dns": "169.254.20.10",
    }
    return [Pod(name, "", address) for name, address in addresses.items()]


def outside_flows() -> set[Flow]:
    """Return the allowed flows from pods of caches to the outside; there are none the other way."""
    found = set()
    fetched = [port for port in PORTS if port.startswith("TCP/")]
    for owner in ("shop/photos", "shop/titles", "elsewhere/photos"):
        filling = [f"{owner}-{part}-{space}" for space in SPACES for part in ("kfc", "reembed")]
        jobs = [
            f"{owner}-schema-{CANDIDATE}",
            f"{owner}-verify-{CANDIDATE}",
            f"{owner}-drop-{DROPPED}",
            f"{owner}-drop-keyspace",
        ]
        retinas = [f"{owner}-retina-{space}" for space in SPACES]
        for source in (f"{owner}-embark", *filling, *jobs):
            found |= {
                Flow(source, f"/{name}", port) for name in ("private", "private6", "allowed") for port in (CQL, KAFKA)
            }
        for source in (f"{owner}-embark", *filling, *jobs, *retinas):
            found |= {Flow(source, "/node-dns", port) for port in DNS}
        reached = ["public", "public6", "public-by-nat64", *(["allowed"] if owner != "shop/titles" else [])]
        found |= {Flow(source, f"/{name}", port) for source in retinas for name in reached for port in fetched}
    return found


def _cache_flows(owner: str, clients: list[str], readers: list[str], free: list[str]) -> Iterator[Flow]:
    """Yield the flows of one cache, except what its Retina fetches.

    Policies do not know host names: `cassandra` may be any pod, and so may the DNS server.
    """
    filling = [f"{owner}-{part}-{space}" for space in SPACES for part in ("kfc", "reembed")]
    retinas = [f"{owner}-retina-{space}" for space in SPACES]
    jobs = [
        f"{owner}-schema-{CANDIDATE}",
        f"{owner}-verify-{CANDIDATE}",
        f"{owner}-drop-{DROPPED}",
        f"{owner}-drop-keyspace",
    ]
    for client in clients:
        yield Flow(client, f"{owner}-embark", GRPC)
    for reader in readers:
        for target in (f"{owner}-embark", *filling, *retinas):
            yield Flow(reader, target, PROBES)
    for space in SPACES:
        yield Flow(f"{owner}-kfc-{space}", f"{owner}-retina-{space}", GRPC)
        yield Flow(f"{owner}-reembed-{space}", f"{owner}-retina-{space}", GRPC)
        yield Flow(f"{owner}-reembed-{space}", f"{owner}-embark", PROBES)
    for target in free:
        for source in (f"{owner}-embark", *filling, *jobs):
            yield from (Flow(source, target, port) for port in (CQL, KAFKA, *DNS))
        for source in retinas:
            yield from (Flow(source, target, port) for port in DNS)


def _cache_pods(namespace: str, cache: str, subnet: int) -> list[Pod]:
    parts = [("embark", ""), ("schema", CANDIDATE), ("verify", CANDIDATE), ("drop", DROPPED), ("drop-keyspace", "")]
    parts += [(part, space) for part in ("kfc", "retina", "reembed") for space in SPACES]
    made = []
    for number, (component, space) in enumerate(parts, 1):
        labels = {"embark.dev/cache": cache, "app.kubernetes.io/component": component}
        labels |= {"embark.dev/space": space} if space else {}
        name = f"{cache}-{component}" + (f"-{space}" if space else "")
        made.append(Pod(name, namespace, f"10.1.{subnet}.{number}", labels))
    return made


def _others() -> list[Pod]:
    return [
        Pod("ranker", "ads", "10.2.0.1", {"app": "ranker"}),
        Pod("stranger", "ads", "10.2.0.2", {"app": "stranger"}),
        Pod("origin", "ads", ORIGIN_ADDRESS, {"app": "origin"}),
        Pod("ranker", "shop", "10.2.0.3", {"app": "ranker"}),
        Pod("cassandra", "shop", "10.2.0.4", {"app": "cassandra"}),
        Pod("kafka", "shop", "10.2.0.5", {"app": "kafka"}),
        Pod("coredns", "kube-system", "10.2.0.6", {"k8s-app": "kube-dns"}),
        Pod("prometheus", "monitoring", "10.2.0.7", {"app": "prometheus"}),
        Pod("operator", OPERATOR_NAMESPACE, "10.2.0.8", {"app.kubernetes.io/name": "embark-operator"}),
        Pod("impostor", "ads", "10.2.0.9", {"app.kubernetes.io/name": "embark-operator"}),
    ]
