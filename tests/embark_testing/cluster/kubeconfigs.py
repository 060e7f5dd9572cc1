"""kubeconfig files for the clusters of tests, and kubectl with one of them."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from embark_testing.cluster.commands import CommandFailedError, run_for_output


class KubectlError(CommandFailedError):
    """kubectl ended with an error; the message is its output."""


def write_kubeconfig(path: Path, url: str, authority: Path, token: str) -> Path:
    """Write a kubeconfig of one user, who shows `token` to the API server at `url`, and return its path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "tests", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster; `prefix` is what the command begins with, as to enter its network namespace."""

    program: Path
    kubeconfig: Path
    prefix: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """What every call begins with."""
        return (*self.prefix, str(self.program), f"--kubeconfig={self.kubeconfig}")

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it and return its output.

        Raises:
            KubectlError: it ended with another status than 0.
        """
        return run_for_output([*self.command, *arguments], stdin=stdin, error=KubectlError)
