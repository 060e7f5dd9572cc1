"""What the pods of a cache reach and who reaches them, tried from inside them, where the cluster enforces policies."""

from collections.abc import Callable, Iterator

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.flows import DENY_ALL, Place, find_address, reaches
from embark_testing.e2e.objects import client_pod, photos_cache
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
GRPC, PROBES, CQL, KAFKA, SAMPLES = 50051, 8080, 9042, 9092, 8000
SEEN = 60.0
ENFORCED = 20.0
"""Seconds within which a new policy is enforced."""

Reaches = Callable[[str, str, int], bool]


@pytest.fixture(scope="module")
def _enforced(cluster: Kubernetes, namespace: str) -> None:
    """Skip the tests unless a policy that denies everything keeps a pod from another one."""
    client, server = (
        find_address(cluster, namespace, "metadata.name=client"),
        find_address(cluster, namespace, "app=samples"),
    )
    eventually(lambda: reaches(cluster, client, server, SAMPLES), SEEN, "without policies a pod reaches another")
    cluster.apply(namespace, DENY_ALL)
    try:
        eventually(lambda: not reaches(cluster, client, server, SAMPLES), ENFORCED, "what is denied is out of reach")
    except AssertionError:
        pytest.skip("this cluster enforces no NetworkPolicies: a pod reaches another past one that denies all")
    finally:
        cluster.kubectl("delete", f"-n={namespace}", "networkpolicy", "deny-all")
    eventually(lambda: reaches(cluster, client, server, SAMPLES), SEEN, "the policy is deleted")


@pytest.fixture(scope="module")
def stranger(cluster: Kubernetes, _enforced: None) -> Iterator[Place]:
    """A pod of another namespace, in a cluster that enforces policies."""
    with cluster.namespace("strangers", enforce="restricted") as name:
        cluster.apply(name, *client_pod(cluster))
        cluster.kubectl("wait", f"-n={name}", "--for=condition=Ready", "pod/client", "--timeout=120s")
        yield find_address(cluster, name, "metadata.name=client")


@pytest.fixture(scope="module")
def reach(cluster: Kubernetes, namespace: str, stranger: Place) -> Reaches:
    """Returns whether one part reaches another, in a Ready cache with clients only in its own namespace."""
    places = {
        "stranger": stranger,
        "client": find_address(cluster, namespace, "metadata.name=client"),
        "samples": find_address(cluster, namespace, "app=samples"),
    }
    service = cluster.get(namespace, "service", "samples")["spec"]["clusterIP"]
    allowed = [_single(address) for address in (service, places["samples"].address)]
    access = {"clients": [{"namespace": namespace}], "monitoring": [{"namespace": "nowhere"}]}
    fetch = {"schemes": ["http"], "allowedPrivateNetworks": allowed}
    cluster.apply(namespace, photos_cache("guarded", encoder={"fetch": fetch}, network=access))
    cache = Cache(cluster, namespace, "guarded")
    cache.await_ready()
    for component in ("embark", "kfc", "retina"):
        labels = f"embark.dev/cache=guarded,app.kubernetes.io/component={component}"
        places[component] = find_address(cluster, namespace, labels)
    for server in ("cassandra", "kafka"):
        places[server] = find_address(cluster, namespace, f"app.kubernetes.io/name={server}")
    return lambda source, target, port: reaches(cluster, places[source], places[target], port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("client", "embark", GRPC),
        ("embark", "cassandra", CQL),
        ("embark", "kafka", KAFKA),
        ("kfc", "cassandra", CQL),
        ("kfc", "kafka", KAFKA),
        ("kfc", "retina", GRPC),
        ("retina", "samples", SAMPLES),
    ],
)
def test_a_flow_of_the_design_is_let_through(reach: Reaches, source: str, target: str, port: int) -> None:
    assert reach(source, target, port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("stranger", "embark", GRPC),
        ("stranger", "embark", PROBES),
        ("stranger", "kfc", PROBES),
        ("stranger", "retina", GRPC),
        ("client", "embark", PROBES),
        ("client", "retina", GRPC),
        ("embark", "retina", GRPC),
        ("embark", "samples", SAMPLES),
        ("kfc", "embark", GRPC),
        ("kfc", "samples", SAMPLES),
        ("retina", "cassandra", CQL),
        ("retina", "kafka", KAFKA),
        ("retina", "embark", GRPC),
    ],
)
def test_any_other_flow_is_not(reach: Reaches, source: str, target: str, port: int) -> None:
    assert not reach(source, target, port)


def test_a_photograph_is_still_encoded(cluster: Kubernetes, namespace: str, reach: Reaches) -> None:
    assert reach("client", "embark", GRPC)
    photo = "http://samples/photos/coffee.jpg"
    assert Cache(cluster, namespace, "guarded").lookup(photo, wait="60s") == {photo: "HIT"}


def _single(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
