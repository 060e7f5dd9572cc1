"""Which flows NetworkPolicies allow, by the rules of networking.k8s.io/v1."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from embark_testing.worlds.network_worlds import Pod

Rule = Mapping[str, Any]


def lets_through(policies: Sequence[Rule], source: Pod, target: Pod, port: str) -> bool:
    """Return whether `source` may send to `target` at a port such as TCP/80."""
    return _passes(policies, target, source, port, "ingress") and _passes(policies, source, target, port, "egress")


def selected(policies: Iterable[Rule], pod: Pod) -> list[Rule]:
    """Return the policies that select a pod."""
    return [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace and matches(policy["spec"]["podSelector"], pod.labels)
    ]


def matches(selector: Rule, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches these labels."""
    unknown = selector.keys() - {"matchLabels", "matchExpressions"}
    assert not unknown, unknown
    expressions = selector.get("matchExpressions", ())
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Rule, labels: Mapping[str, str]) -> bool:
    if expression["operator"] == "Exists":
        return expression["key"] in labels
    assert expression["operator"] == "In"
    return labels.get(expression["key"]) in expression["values"]


def _passes(policies: Sequence[Rule], own: Pod, other: Pod, port: str, direction: str) -> bool:
    kind = direction.capitalize()
    applying = [policy["spec"] for policy in selected(policies, own) if kind in policy["spec"]["policyTypes"]]
    if not own.namespace or not applying:
        return True
    end = "from" if direction == "ingress" else "to"
    rules = [rule for spec in applying for rule in spec.get(direction, ())]
    return any(
        any(_is_peer(peer, own, other) for peer in rule[end]) and any(_is_port(open_, port) for open_ in rule["ports"])
        for rule in rules
    )


def _is_peer(peer: Rule, own: Pod, other: Pod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _in(other, block["cidr"]) and not any(_in(other, cidr) for cidr in block.get("except", ()))
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        in_namespace = matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
    else:
        in_namespace = other.namespace == own.namespace
    return in_namespace and matches(peer.get("podSelector", {}), other.labels)


def _in(pod: Pod, cidr: str) -> bool:
    address, network = ip_address(pod.address), ip_network(cidr)
    return address.version == network.version and address in network


def _is_port(rule: Rule, port: str) -> bool:
    protocol, _, number = port.partition("/")
    return bool(rule["protocol"] == protocol and rule.get("port", int(number)) == int(number))
