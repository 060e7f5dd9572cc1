"""A namespace on a real API server that knows the EmbeddingCache resource."""

import uuid
from collections.abc import Iterator

import pytest
from api_caches import install_crd
from api_server import ApiServer
from cache_namespaces import CacheNamespace
from eventually import eventually


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
