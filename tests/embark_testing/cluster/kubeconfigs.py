"""kubeconfig files for the clusters of tests, and kubectl with one of them."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from embark_testing.cluster.commands import CommandFailedError, run_for_output


class KubectlError(CommandFailedError):
    """kubectl failed; the message is its output."""


def write_kubeconfig(path: Path, url: str, authority: Path, token: str) -> Path:
    """Write a kubeconfig with one user, who authenticates with `token` at `url`, and return its path."""
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
    """kubectl for one cluster; `prefix` precedes the command, for example to enter its network namespace."""

    program: Path
    kubeconfig: Path
    prefix: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The beginning of every command line."""
        return (*self.prefix, str(self.program), f"--kubeconfig={self.kubeconfig}")

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it and return its output.

        Raises:
            KubectlError: it ended with another status than 0.
        """
        return run_for_output([*self.command, *arguments], stdin=stdin, error=KubectlError)
