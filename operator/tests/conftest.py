"""A namespace on a real API server that serves the EmbeddingCache resource."""

import uuid
from collections.abc import Iterator

import pytest

from embark_testing.api.caches import install_crd
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.cluster.api_server import ApiServer
from embark_testing.eventually import eventually


@pytest.fixture
def namespace(api_server_with_controllers: ApiServer) -> Iterator[CacheNamespace]:
    """A namespace that is deleted afterwards, without waiting: nothing in it has a finalizer."""
    server = api_server_with_controllers
    install_crd(server)
    created = CacheNamespace(server, f"t{uuid.uuid4().hex[:10]}")
    server.kubectl("create", "namespace", created.name)
    eventually(
        lambda: created.kubectl("get", "serviceaccounts", "-o=name"), 60, "the namespace has its service account"
    )
    yield created
    server.kubectl("delete", "namespace", created.name, "--wait=false")
