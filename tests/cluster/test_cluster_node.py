"""The node's parts agree with each other, and taking it down ends only its own processes."""

import json
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from embark_testing.cluster.node_configs import build_configs
from embark_testing.cluster.node_processes import Started, ticks_at_start
from embark_testing.cluster.node_up import ADDONS
from embark_testing.cluster.nodes import Node
from embark_testing.cluster.program_images import write_image
from embark_testing.eventually import eventually


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that sleeps until it is ended."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def test_a_process_that_reuses_the_id_of_an_ended_one_is_not_touched(sleeper: "subprocess.Popen[bytes]") -> None:
    another = Started(sleeper.pid, ticks_at_start(sleeper.pid) - 1)
    another.end()
    assert not another.is_alive()
    assert sleeper.poll() is None


def test_a_process_is_ended_by_its_id(sleeper: "subprocess.Popen[bytes]") -> None:
    started = Started(sleeper.pid, ticks_at_start(sleeper.pid))
    assert started.is_alive()
    started.end()
    started.end()
    assert not started.is_alive()
    eventually(lambda: sleeper.poll() is not None)


def test_services_and_pods_have_addresses_of_their_own() -> None:
    node = Node()
    networks = [ip_network(f"{node.ip}/16", strict=False), ip_network(node.pods), ip_network(node.services)]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert ip_network(node.pods_of_node).subnet_of(ip_network(node.pods))  # type: ignore[arg-type]
    assert ip_address(node.dns) in ip_network(node.services)


def test_dns_is_where_the_kubelet_tells_pods_it_is() -> None:
    kubelet = yaml.safe_load(build_configs(Node())["kubelet.yaml"])
    addons = list(yaml.safe_load_all((ADDONS / "coredns.yaml").read_text()))
    (service,) = [addon for addon in addons if addon["kind"] == "Service"]
    assert kubelet["clusterDNS"] == [service["spec"]["clusterIP"]]


def test_what_the_node_keeps_lies_in_its_folder(tmp_path: Path) -> None:
    node = Node(root=tmp_path / "cluster")
    configs = build_configs(node)
    containerd = tomllib.loads(configs["containerd.toml"])
    assert [containerd["root"], containerd["state"], containerd["grpc"]["address"]] == [
        f"{node.root}/containerd/root",
        f"{node.root}/containerd/state",
        f"{node.socket}",
    ]
    assert json.loads(configs["cni/10-pods.conflist"])["plugins"][0]["ipam"]["dataDir"] == f"{node.root}/cni"
    assert str(Node().root) not in "".join(configs.values())


def test_an_image_of_one_program_holds_it_and_runs_it(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"a program")
    archive = write_image(program, ["-P"], "localhost/pause:dev", tmp_path / "pause.tar")
    with tarfile.open(archive) as tar:
        (manifest,) = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        config = json.loads(tar.extractfile(manifest["Config"]).read())  # type: ignore[union-attr]
        with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
            assert layer.extractfile("pause").read() == b"a program"  # type: ignore[union-attr]
            assert layer.getmember("pause").mode == 0o755
    assert manifest["RepoTags"] == ["localhost/pause:dev"]
    assert config["config"]["Entrypoint"] == ["/pause", "-P"]
