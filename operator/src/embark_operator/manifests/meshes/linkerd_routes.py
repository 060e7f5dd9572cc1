"""The routes to EmbArk under Linkerd: which calls are retried, and how long they may take.

They apply only to the Service with a cluster IP: Linkerd cannot tell the Service of a pod's address, so routes of
headless Services have no effect. KFC calls Retina by such addresses, and balances and retries by itself.
"""

from collections.abc import Mapping
from typing import Final

from embark.service_names import EMBARK_SERVICE
from embark.settings import Listen
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import GRPC_ROUTE, HTTP_ROUTE, Kind
from embark_operator.manifests.children import MANIFEST_HASH, build_child, canonical_hash
from embark_operator.manifests.meshes.meshed import MeshChildren, MeshedCache
from embark_operator.names import Manifest

# They change nothing: a retried lookup at most requests a fill that was requested before.
LOOKUPS: Final = ("Lookup", "Similar", "DescribeSpace", "DescribeRollout")
"""Methods that may be retried."""
_SERVICES: Final = (
    EMBARK_SERVICE,
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
# For all attempts together. A lookup may wait for its fills as long as its caller allows, so this is far more than a
# store needs; callers set their own deadlines. A timeout per attempt would cut such a lookup short.
_LOOKUP_SECONDS: Final = 60
_RETRIES: Final = 2


def build_routes(meshed: MeshedCache, apis: Apis) -> MeshChildren:
    """Return a route for lookups, which are retried, and one for all other calls, which are not.

    Each is a GRPCRoute, or an HTTPRoute if only that is served.
    """
    missing = apis.missing(GRPC_ROUTE)
    kind = GRPC_ROUTE if not missing else HTTP_ROUTE
    if missing and apis.missing(HTTP_ROUTE):
        return MeshChildren(missing=missing)
    lookups = [(EMBARK_SERVICE, method) for method in LOOKUPS]
    return MeshChildren(
        (
            _route(meshed, kind, "lookups", lookups, _retry_annotations(kind)),
            _route(meshed, kind, "calls", [(service, "") for service in _SERVICES], {}),
        )
    )


def _retry_annotations(kind: Kind) -> Mapping[str, str]:
    # UNAVAILABLE means that a pod is terminating, or that there is none: the call was not processed. Over HTTP, that is
    # 503, which can only come from the proxy: a gRPC server always answers 200, with its status in the trailers.
    condition = {"retry.linkerd.io/grpc": "unavailable"} if kind is GRPC_ROUTE else {"retry.linkerd.io/http": "503"}
    return condition | {
        "retry.linkerd.io/limit": str(_RETRIES),
        "timeout.linkerd.io/request": f"{_LOOKUP_SECONDS}s",
    }


def _route(
    meshed: MeshedCache, kind: Kind, title: str, methods: list[tuple[str, str]], annotations: Mapping[str, str]
) -> Manifest:
    component = meshed.embark
    match = _grpc_match if kind is GRPC_ROUTE else _http_match
    # Linkerd's name for the core group; the Gateway API's is empty.
    service = {"group": "core", "kind": "Service", "name": component.name, "port": Listen().grpc_port}
    spec = {"parentRefs": [service], "rules": [{"matches": [match(*method) for method in methods]}]}
    route = build_child(component, kind.api_version, kind.name, {"spec": spec}, f"{component.name}-{title}")
    return _annotated(route, annotations)


def _annotated(route: Manifest, annotations: Mapping[str, str]) -> Manifest:
    manifest_hash = canonical_hash([route["metadata"]["annotations"][MANIFEST_HASH], dict(annotations)])
    return route | {"metadata": route["metadata"] | {"annotations": {MANIFEST_HASH: manifest_hash, **annotations}}}


def _grpc_match(service: str, method: str) -> Manifest:
    named = {"service": service} | ({"method": method} if method else {})
    return {"method": {"type": "Exact", **named}}


def _http_match(service: str, method: str) -> Manifest:
    if method:
        return {"path": {"type": "Exact", "value": f"/{service}/{method}"}}
    return {"path": {"type": "PathPrefix", "value": f"/{service}"}}
