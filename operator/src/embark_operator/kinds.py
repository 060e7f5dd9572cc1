"""The kinds of objects that the operator reads and writes."""

from typing import Final, NamedTuple

from embark.spec import API_VERSION, KIND
from embark_operator.names import Manifest


class Kind(NamedTuple):
    """A kind, as manifests name it."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty: core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]


class Child(NamedTuple):
    """Names one child within its cache's namespace."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """Return `Kind name`, as messages say it."""
        return f"{self.kind.name} {self.name}"


CACHE: Final = Kind(API_VERSION, KIND, "embeddingcaches")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
SERVICE: Final = Kind("v1", "Service", "services")
POD: Final = Kind("v1", "Pod", "pods")
EVENT: Final = Kind("v1", "Event", "events")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
JOB: Final = Kind("batch/v1", "Job", "jobs")
DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")

CHILD_KINDS: Final = (CONFIG_MAP, SERVICE_ACCOUNT, SERVICE, DEPLOYMENT, JOB, DISRUPTION_BUDGET, AUTOSCALER)
_BY_NAME: Final = {(kind.api_version, kind.name): kind for kind in (*CHILD_KINDS, CACHE, POD, EVENT, LEASE)}


def kind_of(manifest: Manifest) -> Kind:
    """Return the kind of a manifest; KeyError: the operator has nothing to do with such objects."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


def child_of(manifest: Manifest) -> Child:
    """Return which child a manifest is of."""
    return Child(kind_of(manifest), manifest["metadata"]["name"])
