"""EmbArk as a user has it: operator and backends by helm, caches by kubectl, lookups from a client pod."""

import os
from collections.abc import Iterator

import pytest

from embark_testing.e2e.cluster import Kubernetes, Release, kubernetes
from embark_testing.e2e.objects import client_pod, photos_server

BACKENDS = "embark-backends"
OPERATOR = "embark"


@pytest.fixture(scope="session")
def cluster() -> Kubernetes:
    """The cluster of KUBECONFIG; `make e2e` sets it."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: run make e2e")
    return kubernetes(os.environ)


@pytest.fixture(scope="session")
def release(cluster: Kubernetes) -> Iterator[Release]:
    """The operator, installed in a namespace of its own."""
    with cluster.namespace("embark-system", enforce="restricted") as namespace:
        installed = Release(cluster, namespace, OPERATOR, cluster.operator_values())
        installed.install()
        yield installed
        installed.uninstall()


@pytest.fixture(scope="session")
def namespace(cluster: Kubernetes, release: Release) -> Iterator[str]:
    """A namespace with Cassandra, Kafka, a server of photographs and models, and a client pod."""
    assert release.name == OPERATOR
    with cluster.namespace("photographs", enforce="restricted") as name:
        backends = Release(cluster, name, BACKENDS, cluster.backend_values())
        backends.install()
        cluster.apply(name, *photos_server(cluster), *client_pod(cluster))
        cluster.kubectl("wait", f"-n={name}", "--for=condition=Ready", "pod/client", "--timeout=120s")
        cluster.kubectl("rollout", "status", f"-n={name}", "deployment/samples", "--timeout=120s")
        for server in ("cassandra", "kafka"):
            cluster.kubectl("rollout", "status", f"-n={name}", f"statefulset/{server}", "--timeout=300s")
        yield name


@pytest.fixture(scope="module", autouse=True)
def _no_caches_left(cluster: Kubernetes, namespace: str) -> Iterator[None]:
    """Delete the caches of a file's tests at its end: their pods would slow down those of the next one."""
    yield
    cluster.kubectl("delete", f"-n={namespace}", "embc", "--all", "--timeout=180s")
