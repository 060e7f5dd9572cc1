"""A cache in a cluster as its user sees it: kubectl, and lookups from the client pod."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embark_testing.e2e.cluster import Kubernetes, run

SCRIPTS = Path(__file__).parents[2] / "e2e"
_CALM = 60.0


@dataclass(frozen=True)
class Cache:
    """One EmbeddingCache."""

    cluster: Kubernetes
    namespace: str
    name: str
    client: str = "client"
    """The pod that lookups come from."""

    @property
    def target(self) -> str:
        """The gRPC target for clients in the cluster."""
        return f"{self.name}-embark-headless:50051"

    def body(self) -> dict[str, Any]:
        """Return the resource."""
        return self.cluster.get(self.namespace, "embc", self.name)

    def condition(self, kind: str) -> dict[str, Any]:
        """Return the condition of a type; empty if it has none yet."""
        conditions = self.body().get("status", {}).get("conditions", ())
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def await_ready(self, seconds: int = 300) -> None:
        """Return once it is Ready and no Deployment of it is rolling out."""
        self.cluster.kubectl(
            "wait", f"-n={self.namespace}", f"embc/{self.name}", "--for=condition=Ready", f"--timeout={seconds}s"
        )

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return a component's pods that are not terminating."""
        selector = f"-l=embark.dev/cache={self.name},app.kubernetes.io/component={component}"
        pods: list[dict[str, Any]] = self.cluster.get(self.namespace, "pods", selector)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def lookup(self, *keys: str, wait: str = "0s") -> dict[str, str]:
        """Look keys up from the client pod; return their statuses."""
        command = ["kubectl", "exec", f"-n={self.namespace}", self.client, "--", "embark", "lookup", *keys]
        ran = subprocess.run(
            [*command, "--json", f"--wait={wait}", f"--server={self.target}", "--timeout=60s"],
            capture_output=True,
            text=True,
            check=False,
        )
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        assert len(answers) == len(keys), ran.stderr
        return {answer["key"]: answer["status"] for answer in answers}

    def answered_by(self) -> dict[str, float]:
        """Return how many keys each EmbArk pod has answered, by its metrics."""
        return self.counted_by("embark_keys_total")

    def counted_by(self, sample: str) -> dict[str, float]:
        """Return what each EmbArk pod has counted; `sample`: see Kubernetes.metric."""
        names = [pod["metadata"]["name"] for pod in self.pods("embark")]
        return {name: self.cluster.metric(self.namespace, name, sample) for name in names}


def ask_client(cache: Cache, script: str, *arguments: str) -> dict[str, Any]:
    """Run a script of tests/e2e in the client pod, and return the JSON object that it prints."""
    command = ["kubectl", "exec", f"-n={cache.namespace}", cache.client, "--"]
    report: dict[str, Any] = json.loads(run([*command, "python", "-c", (SCRIPTS / script).read_text(), *arguments]))
    return report


def load_on(cache: Cache, channels: int, *certificate: str) -> AbstractContextManager["Load"]:
    """Look up on `channels` channels from the client pod until the block ends; `certificate`: see client_load."""
    return running_in_client(cache, "client_load.py", cache.target, str(channels), *certificate)


@contextmanager
def running_in_client(cache: Cache, script: str, *arguments: str) -> Iterator["Load"]:
    """Run a script of tests/e2e in the client pod: wait until it prints `ready`, and end it with the block."""
    command = ["kubectl", "exec", "-i", f"-n={cache.namespace}", cache.client, "--"]
    inside = ["python", "-c", (SCRIPTS / script).read_text(), *arguments]
    with subprocess.Popen([*command, *inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield Load(process)
        finally:
            if process.poll() is None:
                process.kill()


class Load:
    """Lookups in progress."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def end(self) -> dict[str, Any]:
        """Stop them, and return how many were answered and how many failed."""
        report, _ = self._process.communicate(timeout=_CALM)
        counts: dict[str, Any] = json.loads(report)
        return counts
