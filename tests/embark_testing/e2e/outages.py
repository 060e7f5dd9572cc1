"""Stops Cassandra and Retina in a cluster for as long as a test needs; their data stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from embark_testing.e2e.caches import Cache
from embark_testing.eventually import eventually

_POD = "pod/cassandra-0"
_ENDED = 90.0


@contextmanager
def cassandra_and_retina_away(cache: Cache) -> Iterator[None]:
    """Keep Cassandra and the Retinas of the cache stopped until the block ends.

    Cassandra's data would be deleted with its pod, so the pod stays, with the image of a program that exits at once.
    Retina's ReplicaSets are deleted, and its paused Deployment creates no new one.
    """
    kubectl, namespace = cache.cluster.kubectl, f"-n={cache.namespace}"
    retinas = f"-l=embark.dev/cache={cache.name},app.kubernetes.io/component=retina"
    [image] = [container["image"] for container in cache.cluster.get(cache.namespace, _POD)["spec"]["containers"]]
    deployments = kubectl("get", namespace, "deployments", retinas, "-o=name").split()
    kubectl("set", "image", namespace, _POD, f"cassandra={cache.cluster.image('embark')}")
    for deployment in deployments:
        kubectl("rollout", "pause", namespace, deployment)
    kubectl("delete", namespace, "replicasets", retinas, "--wait=false")
    try:
        eventually(lambda: not cache.pods("retina"), _ENDED, "no Retina runs")
        eventually(lambda: _cassandra_ready(cache) != "True", _ENDED, "Cassandra does not run")
        yield
    finally:
        for deployment in deployments:
            kubectl("rollout", "resume", namespace, deployment)
        kubectl("set", "image", namespace, _POD, f"cassandra={image}")
        kubectl("wait", namespace, _POD, "--for=condition=Ready", "--timeout=180s")


def _cassandra_ready(cache: Cache) -> str:
    conditions = cache.cluster.get(cache.namespace, _POD)["status"]["conditions"]
    return next(str(condition["status"]) for condition in conditions if condition["type"] == "Ready")
