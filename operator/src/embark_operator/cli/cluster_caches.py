"""The caches of a Kubernetes cluster, selected by kubeconfig and context as in kubectl."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from embark.cli.rollout.session import ClusterTarget
from embark.errors import EmbArkError, UnavailableError
from embark.resources import (
    CacheConflictError,
    CacheNotFoundError,
    CacheRef,
    ResourceBody,
    ResourceScope,
)
from embark_operator.cluster.kinds import CACHE
from embark_operator.cluster.kubernetes import KubernetesCluster
from embark_operator.cluster.protocol import ApiRefusedError, ConflictError, MissingError

FIELD_MANAGER: Final = "kubectl-embark"
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class NotInstalledError(EmbArkError):
    """The cluster does not serve EmbeddingCaches."""


class ClusterCaches:
    """CacheResources of a cluster."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster

    def read(self, ref: CacheRef) -> ResourceBody | None:
        """Return a cache, or None if it does not exist."""
        with _translated_errors(ref):
            return self._cluster.read(CACHE, *ref)

    def merge(self, ref: CacheRef, change: ResourceBody) -> None:
        """Apply a JSON merge patch to a cache."""
        with _translated_errors(ref):
            self._cluster.merge(CACHE, *ref, change, FIELD_MANAGER)


@contextmanager
def open_cluster(target: ClusterTarget, environ: Mapping[str, str] = os.environ) -> Iterator[ResourceScope]:
    """Open the caches of a cluster.

    If `target` names neither kubeconfig nor context, this uses $KUBECONFIG or ~/.kube/config with its current context,
    or, in a pod without either, the pod's own cluster.

    Raises:
        UnavailableError: no cluster is configured, or it does not answer.
    """
    settings = Configuration()
    settings.retries = False  # errors are reported at once; a watch retries by itself
    try:
        namespace = _load(settings, target, environ)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise UnavailableError("kubernetes", f"no cluster is configured: {error}") from error
    with ApiClient(settings) as client, closing(KubernetesCluster(client)) as cluster:
        yield ResourceScope(ClusterCaches(cluster), namespace)


def _load(settings: Configuration, target: ClusterTarget, environ: Mapping[str, str]) -> str:
    """Load the configuration into `settings`, and return the namespace of the context."""
    file = target.kubeconfig or environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    named = bool(target.kubeconfig or target.context or environ.get("KUBECONFIG"))
    if not named and not Path(file).exists() and "KUBERNETES_SERVICE_HOST" in environ:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return _ACCOUNT.read_text().strip() if _ACCOUNT.exists() else "default"
    config.load_kube_config(file, target.context or None, settings)  # type: ignore[no-untyped-call]
    contexts, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    used = next((one for one in contexts if one["name"] == target.context), current)
    return str(used["context"].get("namespace") or "default")


@contextmanager
def _translated_errors(ref: CacheRef) -> Iterator[None]:
    try:
        yield
    except MissingError as error:
        raise CacheNotFoundError(ref) from error
    except ConflictError as error:
        raise CacheConflictError(ref) from error
    except ApiRefusedError as error:
        if error.reason == "NoSuchKind":
            raise NotInstalledError(f"{error}; install EmbArk there first (charts/embark)") from error
        raise
