"""The Caches of a Kubernetes cluster, and how one is found: by kubeconfig and context, as kubectl does."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from embark.errors import EmbArkError, UnavailableError
from embark_operator.cluster.kinds import Kind
from embark_operator.cluster.kubernetes import KubernetesCluster
from embark_operator.names import Manifest

WRITER: Final = "kubectl-embark"
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ClusterCaches(KubernetesCluster):
    """Caches."""

    def __init__(self, client: ApiClient) -> None:
        try:
            super().__init__(client)
        except EmbArkError:
            self.close()
            raise

    def merge(self, kind: Kind, namespace: str, name: str, change: Manifest) -> None:
        """Merge `change` into an object."""
        self._ask(
            f"{kind.name} {namespace}/{name}",
            kind,
            "patch",
            body=change,
            name=name,
            namespace=namespace,
            content_type="application/merge-patch+json",
            field_manager=WRITER,
        )


@contextmanager
def cluster_caches(kubeconfig: str, context: str, environ: Mapping[str, str]) -> Iterator[tuple[ClusterCaches, str]]:
    """Open a cluster; yield it and the namespace that commands mean where they name none.

    `kubeconfig` and `context` may be empty: then $KUBECONFIG or ~/.kube/config and its current context, or, in a pod
    without either, the cluster that the pod is in.

    Raises:
        UnavailableError: no cluster is configured, or it does not answer.
    """
    settings = Configuration()
    settings.retries = False  # what is lost is said at once; a watch goes on by itself
    try:
        namespace = _load(settings, kubeconfig, context, environ)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise UnavailableError("kubernetes", f"no cluster is configured: {error}") from error
    with ApiClient(settings) as client, closing(ClusterCaches(client)) as caches:
        yield caches, namespace


def _load(settings: Configuration, kubeconfig: str, context: str, environ: Mapping[str, str]) -> str:
    file = kubeconfig or environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    named = bool(kubeconfig or context or environ.get("KUBECONFIG"))
    if not named and not Path(file).exists() and "KUBERNETES_SERVICE_HOST" in environ:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return _ACCOUNT.read_text().strip() if _ACCOUNT.exists() else "default"
    config.load_kube_config(file, context or None, settings)  # type: ignore[no-untyped-call]
    contexts, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    used = next((one for one in contexts if one["name"] == context), current)
    return str(used["context"].get("namespace") or "default")
