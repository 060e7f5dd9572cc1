"""A real API server on loopback, with its etcd and no nodes: for tests of the CRD and of the operator.

Starts in seconds. With `controllers`, kube-controller-manager runs too: Deployments get ReplicaSets and pods that stay
Pending, objects without an owner are garbage-collected, and the deletion of a namespace completes.
"""

import http.client
import os
import secrets
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from embark_testing.cluster.api_server_commands import HOST, Commands
from embark_testing.cluster.binaries import built
from embark_testing.cluster.go_modules import ETCD, KUBERNETES
from embark_testing.cluster.kubeconfigs import Kubectl, write_kubeconfig
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.server_process import Server, listens


@dataclass(frozen=True)
class ApiServer:
    """A running API server; `server`, `etcd` and `controllers` are its processes, to suspend, kill and start again."""

    url: str
    token: str
    authority: Path
    kubeconfig: Path
    kubectl: Kubectl
    etcd: Server
    server: Server
    controllers: Server | None

    def write_kubeconfig(self, token: str, path: Path) -> Path:
        """Write a kubeconfig for another token, such as one from `kubectl create token`, and return its path."""
        return write_kubeconfig(path, self.url, self.authority, token)


@contextmanager
def api_server(folder: Path, *, controllers: bool = False) -> Iterator[ApiServer]:
    """Run an API server on free ports, with its data, logs and kubeconfig in `folder`; its user may do everything.

    Raises:
        NotBuiltError: its programs are not in the cache folder.
        ServerFailedError: a part did not start.
    """
    commands = _commands(folder, controllers=controllers)
    port, token = commands.port, secrets.token_hex(16)
    url = f"https://{HOST}:{port}"
    (folder / "users.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    write_kubeconfig(commands.kubeconfig, url, commands.authority, token)
    kubectl = Kubectl(commands.programs / "kubectl", commands.kubeconfig)
    with ExitStack() as stack:

        def run(name: str, command: Sequence[str], answers: Callable[[], bool]) -> Server:
            part = Server(name, command, folder, answers)
            stack.callback(part.kill)  # its data is not kept, and a graceful stop takes twenty seconds
            part.start()
            return part

        etcd = run("etcd", commands.etcd(), lambda: listens(HOST, commands.etcd_port))
        server = run("kube-apiserver", commands.server(), lambda: _is_ready(port, commands.authority, token))
        manager = None
        if controllers:
            manager = run("kube-controller-manager", commands.manager(), lambda: listens(HOST, commands.manager_port))
        yield ApiServer(url, token, commands.authority, commands.kubeconfig, kubectl, etcd, server, manager)


def _commands(folder: Path, *, controllers: bool) -> Commands:
    port, etcd_port, peer_port, manager_port = free_ports(HOST, 4)
    return Commands(
        etcd_program=built(ETCD, os.environ) / "etcd",
        programs=built(KUBERNETES, os.environ),
        folder=folder,
        key=_write_key(folder / "tokens.key"),
        kubeconfig=folder / "kubeconfig",
        port=port,
        etcd_port=etcd_port,
        peer_port=peer_port,
        manager_port=manager_port,
        controllers=controllers,
    )


def _is_ready(port: int, authority: Path, token: str) -> bool:
    if not listens(HOST, port):
        return False
    # Not urllib, which would use a proxy from the environment.
    connection = http.client.HTTPSConnection(
        HOST, port, timeout=5, context=ssl.create_default_context(cafile=authority)
    )
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _write_key(path: Path) -> Path:
    # Not genpkey: kube-apiserver derives the public key from a private key in SEC 1 form, but not from one in PKCS #8.
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path
