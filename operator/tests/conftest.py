"""A namespace on a real API server that knows the EmbeddingCache resource."""

import uuid
from collections.abc import Iterator

import pytest

from embark_testing.api.caches import install_crd
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.cluster.api_server import ApiServer
from embark_testing.eventually import eventually


@pytest.fixture
def namespace(api_server_with_controllers: ApiServer) -> Iterator[CacheNamespace]:
    """A namespace with the resource known; it goes by and by with all that is in it, as nothing has a finalizer."""
    server = api_server_with_controllers
    install_crd(server)
    made = CacheNamespace(server, f"t{uuid.uuid4().hex[:10]}")
    server.kubectl("create", "namespace", made.name)
    eventually(lambda: made.kubectl("get", "serviceaccounts", "-o=name"), 60, "the namespace has its account")
    yield made
    server.kubectl("delete", "namespace", made.name, "--wait=false")
