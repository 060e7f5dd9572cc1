"""The pytest plugin of tests against a real API server: `api_server`, and `api_server_with_controllers`."""

import os
from collections.abc import Iterator

import pytest

from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.api_server import api_server as running_api_server
from embark_testing.cluster.binaries import NotBuiltError, built, ensure_built
from embark_testing.cluster.go_modules import ETCD, KUBERNETES, GoModule


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that all tests of the session share; only the test acts on its objects."""
    require_programs(ETCD, KUBERNETES)
    with running_api_server(tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture(scope="session")
def api_server_with_controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """As `api_server`, with kube-controller-manager: ReplicaSets, garbage collection, deletion of namespaces."""
    folder = tmp_path_factory.mktemp("api-server-with-controllers")
    require_programs(ETCD, KUBERNETES)
    with running_api_server(folder, controllers=True) as server:
        yield server


def require_programs(*modules: GoModule) -> None:
    """Skip the test if these programs are not in the cache folder; in CI, build them."""
    for module in modules:
        if os.environ.get("CI"):
            ensure_built(module, os.environ, print)
        try:
            built(module, os.environ)
        except NotBuiltError as error:
            pytest.skip(str(error))
