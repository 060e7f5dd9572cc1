"""The kinds of objects that the operator reads and writes."""

from typing import Final, NamedTuple, Self

from embark.spec import API_VERSION, KIND
from embark_operator.names import Manifest


class Kind(NamedTuple):
    """A kind of API object."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]


class Child(NamedTuple):
    """The identity of one child within the namespace of its cache."""

    kind: Kind
    name: str

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Self:
        """Return the identity of a manifest; raises KeyError for a kind that the operator does not manage."""
        return cls(find_kind(manifest), manifest["metadata"]["name"])

    def __str__(self) -> str:
        """Return `Kind name`, for messages."""
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
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")

CHILD_KINDS: Final = (
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    JOB,
    DISRUPTION_BUDGET,
    AUTOSCALER,
    NETWORK_POLICY,
)
"""The kinds of children that every cluster serves."""

_POLICY_BETA: Final = "policy.linkerd.io/v1beta3"
_POLICY: Final = "policy.linkerd.io/v1alpha1"
_GATEWAY: Final = "gateway.networking.k8s.io/v1"
_ISTIO_NETWORKING: Final = "networking.istio.io/v1"
_ISTIO_SECURITY: Final = "security.istio.io/v1"
_KEDA: Final = "keda.sh/v1alpha1"

MESH_TLS_AUTHENTICATION: Final = Kind(_POLICY, "MeshTLSAuthentication", "meshtlsauthentications")
NETWORK_AUTHENTICATION: Final = Kind(_POLICY, "NetworkAuthentication", "networkauthentications")
LINKERD_AUTHORIZATION: Final = Kind(_POLICY, "AuthorizationPolicy", "authorizationpolicies")
LINKERD_SERVER: Final = Kind(_POLICY_BETA, "Server", "servers")
GRPC_ROUTE: Final = Kind(_GATEWAY, "GRPCRoute", "grpcroutes")
HTTP_ROUTE: Final = Kind(_GATEWAY, "HTTPRoute", "httproutes")
PEER_AUTHENTICATION: Final = Kind(_ISTIO_SECURITY, "PeerAuthentication", "peerauthentications")
ISTIO_AUTHORIZATION: Final = Kind(_ISTIO_SECURITY, "AuthorizationPolicy", "authorizationpolicies")
DESTINATION_RULE: Final = Kind(_ISTIO_NETWORKING, "DestinationRule", "destinationrules")
TRIGGER_AUTHENTICATION: Final = Kind(_KEDA, "TriggerAuthentication", "triggerauthentications")
CERTIFICATE: Final = Kind("cert-manager.io/v1", "Certificate", "certificates")
SCALED_OBJECT: Final = Kind(_KEDA, "ScaledObject", "scaledobjects")

# A Linkerd Server comes after the policies that name it: without them it denies everything.
FOREIGN_KINDS: Final = (
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    LINKERD_AUTHORIZATION,
    LINKERD_SERVER,
    GRPC_ROUTE,
    HTTP_ROUTE,
    PEER_AUTHENTICATION,
    ISTIO_AUTHORIZATION,
    DESTINATION_RULE,
    TRIGGER_AUTHENTICATION,
    SCALED_OBJECT,
    CERTIFICATE,
)
"""The kinds of children that only some clusters serve, in the order of applying; they are pruned in reverse order."""

_KNOWN: Final = (*CHILD_KINDS, *FOREIGN_KINDS, CACHE, POD, EVENT, LEASE)
_BY_NAME: Final = {(kind.api_version, kind.name): kind for kind in _KNOWN}


def find_kind(manifest: Manifest) -> Kind:
    """Return the kind of a manifest; raises KeyError for a kind that the operator does not manage."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


def is_owned(body: Manifest, uid: str) -> bool:
    """Return whether the object with that uid is an owner of `body`."""
    return any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences", ()))
