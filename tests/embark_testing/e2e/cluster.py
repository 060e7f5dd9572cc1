"""kubectl and helm for the e2e tests, which only see what a user sees."""

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class CommandError(Exception):
    """A command failed; the message is its output."""


@dataclass(frozen=True)
class Kubernetes:
    """A cluster with the project's images; `backends` is empty if the chart's own images can be pulled."""

    images: str
    tag: str
    backends: str

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return its output."""
        return run(["kubectl", *arguments], stdin)

    def get(self, namespace: str, *arguments: str) -> dict[str, Any]:
        """Return the parsed output of `kubectl get`."""
        body: dict[str, Any] = json.loads(self.kubectl("get", f"-n={namespace}", *arguments, "-o=json"))
        return body

    def apply(self, namespace: str, *manifests: Mapping[str, Any]) -> None:
        """Apply manifests in a namespace."""
        items = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.kubectl("apply", f"-n={namespace}", "--server-side", "-f=-", stdin=json.dumps(items))

    def metric(self, namespace: str, pod: str, sample: str) -> float:
        """Return the sum of the samples of a pod's metrics whose line begins so, 0 while there are none."""
        lines = self.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics")
        return sum(float(line.split()[-1]) for line in lines.splitlines() if line.startswith(sample))

    def image(self, name: str) -> str:
        """Return the name of one of the project's images."""
        return f"{self.images}/{name}:{self.tag}"

    def operator_values(self) -> dict[str, Any]:
        """Return the values of charts/embark for the images of the working tree, with frequent resyncs."""
        names = ("operator", "embark", "kfc", "retina")
        images = {name: {"repository": f"{self.images}/{name}", "tag": self.tag} for name in names}
        return {"images": images, "resyncSeconds": 20}

    def backend_values(self) -> dict[str, Any]:
        """Return the values of charts/embark-backends for a small node."""
        requests = {"requests": {"cpu": "50m", "memory": "512Mi"}}
        values: dict[str, Any] = {name: {"resources": requests} for name in ("cassandra", "kafka")}
        for name in values if self.backends else ():
            values[name]["image"] = {"repository": f"{self.backends}/{name}"}
        return values

    @contextmanager
    def namespace(self, name: str, enforce: str = "") -> Iterator[str]:
        """Create a namespace, and delete it afterwards with everything in it; `enforce` is a Pod Security level."""
        self.kubectl("create", "namespace", name)
        try:
            if enforce:
                self.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={enforce}")
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--timeout=180s")


@dataclass(frozen=True)
class Release:
    """A release of one of the charts."""

    cluster: Kubernetes
    namespace: str
    name: str
    values: Mapping[str, Any]

    def install(self, chart: Path | None = None) -> None:
        """Install or upgrade it from the working tree's chart of its name, or another."""
        where = chart or ROOT / "charts" / self.name
        command = ["helm", "upgrade", "--install", self.name, str(where), f"--namespace={self.namespace}"]
        run([*command, "--wait", "--timeout=300s", "--values=-"], json.dumps(self.values))

    def uninstall(self) -> None:
        """Uninstall it."""
        run(["helm", "uninstall", self.name, f"--namespace={self.namespace}", "--wait", "--timeout=120s"])


def kubernetes(environment: Mapping[str, str]) -> Kubernetes:
    """Return the cluster that the environment names, as embark_testing.cluster.run_in sets it."""
    return Kubernetes(
        images=environment.get("EMBARK_IMAGES", "embark"),
        tag=environment.get("EMBARK_TAG", "0.1.0"),
        backends=environment.get("EMBARK_BACKENDS", ""),
    )


def chart_before(folder: Path) -> Path:
    """Write the operator's chart of the previous commit into a folder, and return its path."""
    archive = folder / "chart.tar"
    run(["git", "-C", str(ROOT), "archive", "HEAD~1", "charts/embark", f"--output={archive}"])
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "charts" / "embark"


def run(command: Sequence[str], stdin: str = "") -> str:
    """Run a command and return its output.

    Raises:
        CommandError: it ended with another status than 0.
    """
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=dict(os.environ))
    if ran.returncode:
        raise CommandError(f"{' '.join(command)}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout
