"""The flows that the policies of caches allow, by the API's rules; tests/cluster checks them with cyclonus too."""

from itertools import chain, product
from typing import Any

import pytest

from embark.errors import InvalidSpecError
from embark_operator.manifests.network_policies import build_network_policies
from embark_operator.names import SPACE_LABEL, Manifest
from embark_testing.caches import cache_in
from embark_testing.worlds.child_manifests import UID, build_all_policies, build_every_child, templates
from embark_testing.worlds.network_worlds import (
    CQL,
    DNS,
    GRPC,
    KAFKA,
    OPERATOR_NAMESPACE,
    PHOTOS,
    PORTS,
    PROBES,
    SPACES,
    Flow,
    Pod,
    caches,
    flows,
    outside,
    outside_flows,
    pods,
)
from embark_testing.worlds.policy_judge import lets_through, selected

COMPONENTS = {"embark", "kfc", "retina", "schema", "reembed", "verify", "drop"}
OUTSIDE = Pod("outside", "", "93.184.216.34")
MACHINE = Pod("machine", "", "172.16.4.4")
METADATA = Pod("metadata", "", "169.254.169.254")


def build_policies(**changes: dict[str, Any]) -> list[Manifest]:
    cache = cache_in("shop", "photos", **changes)
    return build_network_policies(cache, UID, dict.fromkeys(SPACES, cache.spec.encoder), OPERATOR_NAMESPACE)


def find_pod(component: str, space: str = "") -> Pod:
    name = f"photos-{component}" + (f"-{space}" if space else "")
    (found,) = (pod for pod in pods() if (pod.namespace, pod.name) == ("shop", name))
    return found


def open_ports(policies: list[Manifest], source: Pod, target: Pod, ports: tuple[str, ...] = PORTS) -> set[str]:
    return {port for port in ports if lets_through(policies, source, target, port)}


def test_exactly_the_listed_flows_are_allowed_between_pods() -> None:
    policies, everyone = build_all_policies(caches()), pods()
    found = {
        Flow(str(source), str(target), port)
        for source, target, port in product(everyone, everyone, PORTS)
        if lets_through(policies, source, target, port)
    }
    assert found == flows()


def test_exactly_the_listed_flows_are_allowed_across_the_edge_of_the_cluster() -> None:
    policies = build_all_policies(caches())
    inside = [pod for pod in pods() if "embark.dev/cache" in pod.labels]
    pairs = chain(product(inside, outside()), product(outside(), inside))
    found = {
        Flow(str(source), str(target), port)
        for (source, target), port in product(pairs, PORTS)
        if lets_through(policies, source, target, port)
    }
    assert found == outside_flows()


def test_every_pod_of_a_cache_is_denied_everything_and_allowed_something() -> None:
    cache = cache_in("shop")
    found = templates(build_every_child(cache))
    assert found.keys() == COMPONENTS
    for component, template in found.items():
        labels = template["metadata"]["labels"]
        spaces = [labels[SPACE_LABEL]] if SPACE_LABEL in labels else []
        policies = build_network_policies(cache, UID, dict.fromkeys(spaces, cache.spec.encoder), "")
        rules = [policy["spec"] for policy in selected(policies, Pod(component, "shop", "10.0.0.1", labels))]
        assert all(spec["policyTypes"] == ["Ingress", "Egress"] for spec in rules)
        allowing = ["ingress" in spec or "egress" in spec for spec in rules]
        assert sorted(allowing) == [False, True], component


def test_the_denying_policy_comes_last() -> None:
    *allowing, denying = build_policies()
    assert all("egress" in policy["spec"] for policy in allowing)
    assert denying["spec"] == {
        "podSelector": {"matchLabels": {"embark.dev/cache": "photos"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_policy_names_are_unique() -> None:
    names = [(policy["metadata"]["namespace"], policy["metadata"]["name"]) for policy in build_all_policies(caches())]
    assert len(names) == len(set(names)) == 3 * (3 + 3 * len(SPACES))


def test_a_cache_can_have_no_policies() -> None:
    assert build_policies(network={"policies": False}) == []


def test_retina_reaches_public_addresses_and_no_private_one_that_is_not_allowed() -> None:
    retina = find_pod("retina", SPACES[0])
    policies = build_policies()
    assert open_ports(policies, retina, OUTSIDE) == {port for port in PORTS if port.startswith("TCP/")}
    assert open_ports(policies, retina, MACHINE) == set()
    allowing = build_policies(encoder={"fetch": {"allowedPrivateNetworks": ["172.16.4.0/24"]}})
    assert open_ports(allowing, retina, MACHINE, (GRPC, "TCP/443", "UDP/443")) == {GRPC, "TCP/443"}
    for policy in (policies, allowing):
        assert open_ports(policy, retina, METADATA) == set()


@pytest.mark.parametrize(
    ("uri", "opened"),
    [
        ("http://models/a.onnx", {"shop": {"TCP/80"}, "ads": set()}),
        ("https://models.ads/a.onnx", {"shop": set(), "ads": {"TCP/443"}}),
        ("https://models.ads.svc.cluster.local:22/a.onnx", {"shop": set(), "ads": {"TCP/22"}}),
        ("http://10.2.0.4:9042/a.onnx", {"shop": {CQL}, "ads": set()}),
        ("https://models.example.com/a.onnx", {"shop": set(), "ads": set()}),
        ("s3://bucket/a.onnx", {"shop": set(), "ads": set()}),
    ],
)
def test_retina_reaches_the_host_of_its_model(uri: str, opened: dict[str, set[str]]) -> None:
    policies = build_policies(encoder={"model": {"uri": uri}})
    targets = {"shop": Pod("cassandra", "shop", "10.2.0.4"), "ads": Pod("ranker", "ads", "10.2.0.1")}
    ports = tuple(port for port in PORTS if port not in DNS)
    found = {name: open_ports(policies, find_pod("retina", SPACES[0]), pod, ports) for name, pod in targets.items()}
    assert found == opened


@pytest.mark.parametrize(
    ("host", "outside"),
    [
        ("cassandra", False),
        ("cassandra.data", False),
        ("cassandra.data.svc", False),
        ("cassandra.data.svc.cluster.local", False),
        ("10.3.0.1", False),
        ("fd00::1", False),
        ("cassandra.example.com", True),
        ("93.184.216.34", True),
    ],
)
@pytest.mark.parametrize("component", ["embark", "kfc"])
def test_a_store_may_be_outside_only_if_its_name_is_not_private(component: str, host: str, *, outside: bool) -> None:
    pod = find_pod(component, SPACES[0] if component == "kfc" else "")
    policies = build_policies(store={"cassandra": {"contactPoints": [host], "port": 9043}})
    assert open_ports(policies, pod, MACHINE, (CQL, "TCP/9043", KAFKA)) == {"TCP/9043", KAFKA}
    assert open_ports(policies, pod, OUTSIDE, (CQL, "TCP/9043", KAFKA)) == ({"TCP/9043"} if outside else set())
    assert open_ports(policies, pod, METADATA, (CQL, "TCP/9043", KAFKA)) == set()


def test_brokers_are_reached_at_every_declared_port() -> None:
    policies = build_policies(topic={"kafka": {"bootstrapServers": ["kafka:9092", "[fd00::1]:9094"]}})
    found = open_ports(policies, find_pod("embark"), MACHINE, ("TCP/9092", "TCP/9093", "TCP/9094"))
    assert found == {"TCP/9092", "TCP/9094"}


def test_only_named_clients_may_look_up_not_even_the_operator() -> None:
    embark, addresses = find_pod("embark"), [OUTSIDE, MACHINE]
    policies = build_policies(**PHOTOS)
    callers = {str(pod) for pod in [*pods(), *addresses] if lets_through(policies, pod, embark, GRPC)}
    assert callers == {"ads/ranker"}
    some = build_policies(network={"clients": [{"pods": "app=ranker,tier=web"}]})
    assert not lets_through(some, Pod("ranker", "ads", "10.2.0.1", {"app": "ranker"}), embark, GRPC)
    assert lets_through(some, Pod("ranker", "any", "10.2.0.1", {"app": "ranker", "tier": "web"}), embark, GRPC)


def test_without_its_namespace_the_operator_is_identified_by_its_labels() -> None:
    cache = cache_in("shop", "photos", **PHOTOS)
    policies = build_network_policies(cache, UID, dict.fromkeys(SPACES, cache.spec.encoder), "")
    readers = {"monitoring/prometheus", f"{OPERATOR_NAMESPACE}/operator", "ads/impostor"}
    pacing = {f"shop/photos-reembed-{space}" for space in SPACES}
    for target, callers in ((find_pod("embark"), readers | pacing), (find_pod("kfc", SPACES[0]), readers)):
        assert {str(pod) for pod in pods() if lets_through(policies, pod, target, PROBES)} == callers


@pytest.mark.parametrize(("provider", "tunnel", "metrics"), [("linkerd", 4143, 4191), ("istio", 15008, 15020)])
def test_the_proxies_of_a_mesh_reach_each_other_and_the_control_plane(provider: str, tunnel: int, metrics: int) -> None:
    policies = build_policies(mesh={"provider": provider}, **PHOTOS)
    kfc, retina, other = find_pod("kfc", SPACES[0]), find_pod("retina", SPACES[0]), find_pod("retina", SPACES[1])
    ports = (GRPC, f"TCP/{tunnel}", f"TCP/{metrics}", "TCP/22")
    assert open_ports(policies, kfc, retina, ports) == {GRPC, f"TCP/{tunnel}"}
    assert open_ports(policies, kfc, other, ports) == set()
    prometheus = Pod("prometheus", "monitoring", "10.2.0.7", {"app": "prometheus"})
    assert open_ports(policies, prometheus, retina, ports) == {f"TCP/{tunnel}", f"TCP/{metrics}"}
    labels = {"linkerd.io/control-plane-component": "destination"} if provider == "linkerd" else {"app": "istiod"}
    store = Pod("cassandra", "shop", "10.2.0.4")
    assert open_ports(policies, kfc, store, (CQL, f"TCP/{tunnel}", "TCP/22")) == {CQL}
    control = Pod("control", "mesh", "10.4.0.1", labels)
    for pod in (kfc, retina, find_pod("embark")):
        opened = open_ports(policies, pod, control, ("TCP/8086", "TCP/15012", "TCP/22"))
        assert opened == ({"TCP/8086"} if provider == "linkerd" else {"TCP/15012"})
    job = find_pod("schema", SPACES[1])
    assert open_ports(policies, job, control, ("TCP/8086", "TCP/15012", f"TCP/{tunnel}")) == set()


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("spec.topic.kafka.bootstrapServers", {"topic": {"kafka": {"bootstrapServers": ["kafka:99999"]}}}),
        ("spec.topic.kafka.bootstrapServers", {"topic": {"kafka": {"bootstrapServers": ["kafka:0"]}}}),
        ("spec.encoder.model.uri", {"encoder": {"model": {"uri": "https://models:99999/a.onnx"}}}),
        ("spec.encoder.model.uri", {"encoder": {"model": {"uri": "https://[models/a.onnx"}}}),
    ],
)
def test_an_invalid_port_is_rejected_by_field(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        build_policies(**changes)
    assert refused.value.field == field
