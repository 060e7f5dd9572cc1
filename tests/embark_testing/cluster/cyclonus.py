"""Runs cyclonus, a simulator of NetworkPolicies, to find out which traffic policies allow.

Its tables are for people, so they are read here: a row for each source, a column for each target, `.` for allowed.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from embark_testing.cluster.commands import run_for_output
from embark_testing.worlds.network_worlds import Flow, Pod

_ALLOWED, _BLOCKED = ".", "X"
_COMBINED = "Combined:\n"
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


class Cyclonus:
    """Cyclonus with some policies; `folder` is for its files."""

    def __init__(self, program: Path, folder: Path, policies: Sequence[dict[str, Any]]) -> None:
        self._program = program
        self._folder = folder
        listed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": list(policies)}
        self._policies = self._write("policies", listed)

    def probe(self, pods: Sequence[Pod], ports: Sequence[str]) -> set[Flow]:
        """Return the allowed flows between all pairs of pods; each listens on every port."""
        probes = [{"Protocol": protocol, "Port": int(number)} for protocol, number in map(_parts, ports)]
        namespaces = {pod.namespace: _namespace_labels(pod) for pod in pods}
        resources = {"Namespaces": namespaces, "Pods": [_listening(pod, ports) for pod in pods]}
        path = self._write("probe", {"Probes": probes, "Resources": resources})
        output = self._analyze("probe", f"--probe-path={path}")
        # The last table is that of a real cluster, and there is none.
        tables = [part.split("\n\n", 1)[0] for part in output.split(_COMBINED)[1:-1]]
        assert len(tables) == len(ports)
        return {
            Flow(source, target, port)
            for port, table in zip(ports, tables, strict=True)
            for source, target in _read(table, len(pods))
        }

    def query(self, pairs: Sequence[tuple[Pod, Pod]], ports: Sequence[str]) -> set[Flow]:
        """Return the allowed flows between these pairs; some pods may be outside the cluster."""
        queries = [(source, target, port) for source, target in pairs for port in ports]
        path = self._write("traffic", [_traffic(*flow) for flow in queries])
        output = self._analyze("query-traffic", f"--traffic-path={path}")
        answers = [line.split("|")[2].strip() for line in output.splitlines() if "IS ALLOWED?" in line]
        assert set(answers) <= {"TRUE", "FALSE"}
        return {
            Flow(str(source), str(target), port)
            for (source, target, port), answer in zip(queries, answers, strict=True)
            if answer == "TRUE"
        }

    def _analyze(self, mode: str, *arguments: str) -> str:
        command = [str(self._program), "analyze", f"--mode={mode}", f"--policy-path={self._policies}", *arguments]
        return run_for_output(command)

    def _write(self, name: str, value: object) -> Path:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(value))
        return path


def _read(table: str, pods: int) -> Iterator[tuple[str, str]]:
    """Yield the pairs that a table says are allowed; its columns are in the order of its rows."""
    header, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line]
    names = [row[0] for row in rows]
    assert [name.upper() for name in names] == header[1:]
    assert len(names) == pods
    for name, *cells in rows:
        assert set(cells) <= {_ALLOWED, _BLOCKED}
        yield from ((name, target) for target, cell in zip(names, cells, strict=True) if cell == _ALLOWED)


def _listening(pod: Pod, ports: Sequence[str]) -> dict[str, Any]:
    # Containers are only found by their number.
    numbers = {int(number): protocol for protocol, number in map(_parts, ports)}
    containers = [
        {"Name": f"on-{number}", "Port": number, "PortName": f"port-{number}", "Protocol": protocol}
        for number, protocol in numbers.items()
    ]
    return {
        "Namespace": pod.namespace,
        "Name": pod.name,
        "Labels": pod.labels,
        "IP": pod.address,
        "Containers": containers,
    }


def _traffic(source: Pod, target: Pod, port: str) -> dict[str, Any]:
    protocol, number = _parts(port)
    return {
        "Source": _end(source),
        "Destination": _end(target),
        "ResolvedPort": int(number),
        "ResolvedPortName": f"port-{number}",
        "Protocol": protocol,
    }


def _end(pod: Pod) -> dict[str, Any]:
    if not pod.namespace:
        return {"IP": pod.address}
    inside = {"PodLabels": pod.labels, "NamespaceLabels": _namespace_labels(pod), "Namespace": pod.namespace}
    return {"IP": pod.address, "Internal": inside}


def _namespace_labels(pod: Pod) -> dict[str, str]:
    return {_NAMESPACE_NAME: pod.namespace}


def _parts(port: str) -> tuple[str, str]:
    protocol, _, number = port.partition("/")
    return protocol, number
