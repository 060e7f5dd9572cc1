"""The policies of caches, judged by cyclonus and taken by a real API server."""

import os
from itertools import chain, product
from pathlib import Path

import pytest
import yaml

from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.binaries import built
from embark_testing.cluster.cyclonus import Cyclonus
from embark_testing.cluster.fixtures import require_programs
from embark_testing.cluster.go_modules import CYCLONUS
from embark_testing.worlds.child_manifests import build_all_policies
from embark_testing.worlds.network_worlds import (
    PORTS,
    Pod,
    caches,
    flows,
    outside,
    outside_flows,
    pods,
)

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def program() -> Path:
    """The cyclonus of the cache folder."""
    require_programs(CYCLONUS)
    return built(CYCLONUS, os.environ) / "cyclonus"


def test_cyclonus_finds_exactly_the_flows_of_the_design_between_all_pods(program: Path, tmp_path: Path) -> None:
    assert Cyclonus(program, tmp_path, build_all_policies(caches())).probe(pods(), PORTS) == flows()


def test_cyclonus_finds_exactly_the_flows_of_the_design_across_the_cluster_s_edge(
    program: Path, tmp_path: Path
) -> None:
    inside = [pod for pod in pods() if "embark.dev/cache" in pod.labels]
    pairs: list[tuple[Pod, Pod]] = list(chain(product(inside, outside()), product(outside(), inside)))
    assert Cyclonus(program, tmp_path, build_all_policies(caches())).query(pairs, PORTS) == outside_flows()


def test_cyclonus_sees_a_flow_that_the_design_does_not_have(program: Path, tmp_path: Path) -> None:
    *policies, denying = build_all_policies(caches())
    spoiled = [*policies, denying | {"spec": denying["spec"] | {"ingress": [{}]}}]
    more = Cyclonus(program, tmp_path, spoiled).probe(pods(), PORTS) - flows()
    assert {flow.target.partition("-")[0] for flow in more} == {"elsewhere/photos"}


def test_the_api_server_stores_the_policies_as_they_were_written(api_server: ApiServer) -> None:
    policies = build_all_policies(caches())
    for namespace in sorted({policy["metadata"]["namespace"] for policy in policies}):
        api_server.kubectl("create", "namespace", namespace)
    text = yaml.safe_dump_all(policies)
    api_server.kubectl("apply", "--server-side", "--validate=strict", "-f=-", stdin=text)
    for policy in policies:
        metadata = policy["metadata"]
        got = api_server.kubectl("get", "networkpolicy", metadata["name"], f"-n={metadata['namespace']}", "-o=yaml")
        assert yaml.safe_load(got)["spec"] == policy["spec"]
    api_server.kubectl("delete", "namespace", "shop", "elsewhere", "--wait=false")
