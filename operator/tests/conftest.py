"""A namespace on a real API server that knows the EmbeddingCache resource."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ApiServer
from cache_namespaces import CacheNamespace
from eventually import eventually
from kubeconfigs import KubectlError

CRD = Path(__file__).parents[2] / "crds" / "embark.dev_embeddingcaches.yaml"


@pytest.fixture
def namespace(api_server_with_controllers: ApiServer) -> Iterator[CacheNamespace]:
    """A namespace with the resource known; it is deleted with all that is in it, as nothing has a finalizer."""
    server = api_server_with_controllers
    server.kubectl("apply", "--server-side", f"--filename={CRD}")
    eventually(lambda: _is_served(server), 60, "the resource is served")
    made = CacheNamespace(server, f"t{uuid.uuid4().hex[:10]}")
    server.kubectl("create", "namespace", made.name)
    eventually(lambda: made.kubectl("get", "serviceaccounts", "-o=name"), 60, "the namespace has its account")
    yield made
    server.kubectl("delete", "namespace", made.name, "--wait=true", "--timeout=120s")


def _is_served(server: ApiServer) -> bool:
    try:
        server.kubectl("get", "embc", "-o=name")
    except KubectlError:
        return False
    return True
