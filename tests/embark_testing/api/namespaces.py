"""A namespace for caches on a real API server."""

import json
from typing import Any

import yaml

from embark_testing.caches import sample_text
from embark_testing.cluster.api_server import ApiServer
from embark_testing.eventually import eventually

_KINDS = (
    "configmaps,serviceaccounts,services,deployments,jobs,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies"
)


class CacheNamespace:
    """A separate namespace on the shared API server."""

    def __init__(self, server: ApiServer, name: str) -> None:
        self.server = server
        self.name = name

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl in the namespace."""
        return self.server.kubectl(*arguments, f"--namespace={self.name}", stdin=stdin)

    def apply(self, name: str, **changes: dict[str, Any]) -> None:
        """Apply samples/photos.yaml under another name, with changes to sections of its spec."""
        document = yaml.safe_load(sample_text("photos", **changes))
        document["metadata"] = {"name": name}
        self.kubectl("apply", "--server-side", "-f=-", stdin=json.dumps(document))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return the parsed output of `kubectl get`."""
        body: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o=json"))
        return body

    def children(self) -> dict[str, dict[str, Any]]:
        """Return every child of every cache, by `Kind/name`."""
        items = self.get(_KINDS, "-l=app.kubernetes.io/managed-by=embark-operator")["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}

    def condition(self, cache: str, kind: str) -> dict[str, Any]:
        """Return a condition of a cache, or an empty dict while it has none."""
        conditions = self.get("embc", cache).get("status", {}).get("conditions", ())
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def await_phase(self, cache: str, phase: str) -> None:
        """Return once a cache is in a phase."""
        eventually(lambda: self.get("embc", cache).get("status", {}).get("phase") == phase, 60, f"{cache} is {phase}")
