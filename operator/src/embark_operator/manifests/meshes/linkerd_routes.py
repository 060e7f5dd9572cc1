"""The routes to EmbArk under Linkerd: which calls are tried again, and how long they may take; called by `linkerd`.

Only to the Service with an address of its own: Linkerd does not know of which Service a pod's address is, so routes of
headless Services have no effect. KFC calls Retina by such addresses, balances and tries again by itself.
"""

from collections.abc import Mapping
from typing import Final

from embark.service_names import EMBARK_SERVICE
from embark.settings import Listen
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import GRPC_ROUTE, HTTP_ROUTE, Kind
from embark_operator.manifests.children import MANIFEST_HASH, build_child, canonical_hash
from embark_operator.manifests.meshes.meshed import MeshChildren, Meshed
from embark_operator.names import Manifest

# They change nothing: a look-up asks again at most for a fill that is asked for already.
LOOKUPS: Final = ("Lookup", "Similar", "DescribeSpace", "DescribeRollout")
"""Methods that may be tried again."""
_SERVICES: Final = (
    EMBARK_SERVICE,
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
# Of all attempts together. A look-up may wait for its fills as long as its caller likes, so this is far above what a
# store takes; callers have deadlines of their own. There is none for an attempt, which would cut such a look-up short.
_LOOKUP_SECONDS: Final = 60
_ATTEMPTS_MORE: Final = 2


def build_routes(meshed: Meshed, apis: Apis) -> MeshChildren:
    """Return a route for look-ups, which are tried again, and one for all other calls, which are not.

    Each is a GRPCRoute, or an HTTPRoute where only that is served.
    """
    missing = apis.lack(GRPC_ROUTE)
    kind = GRPC_ROUTE if not missing else HTTP_ROUTE
    if missing and apis.lack(HTTP_ROUTE):
        return MeshChildren(missing=missing)
    lookups = [(EMBARK_SERVICE, method) for method in LOOKUPS]
    return MeshChildren(
        (
            _route(meshed, kind, "lookups", lookups, _retries(kind)),
            _route(meshed, kind, "calls", [(service, "") for service in _SERVICES], {}),
        )
    )


def _retries(kind: Kind) -> Mapping[str, str]:
    # UNAVAILABLE comes from a pod that ends, or from none: nothing was answered. HTTP's word for it is 503, and then it
    # is the proxy's word alone, since a server of gRPC says 200 and its status after it.
    condition = {"retry.linkerd.io/grpc": "unavailable"} if kind is GRPC_ROUTE else {"retry.linkerd.io/http": "503"}
    return condition | {
        "retry.linkerd.io/limit": str(_ATTEMPTS_MORE),
        "timeout.linkerd.io/request": f"{_LOOKUP_SECONDS}s",
    }


def _route(
    meshed: Meshed, kind: Kind, title: str, methods: list[tuple[str, str]], annotations: Mapping[str, str]
) -> Manifest:
    component = meshed.embark
    match = _grpc_match if kind is GRPC_ROUTE else _http_match
    # Linkerd's name of the core group here; the Gateway API's is empty.
    service = {"group": "core", "kind": "Service", "name": component.name, "port": Listen().grpc_port}
    spec = {"parentRefs": [service], "rules": [{"matches": [match(*method) for method in methods]}]}
    route = build_child(component, kind.api_version, kind.name, {"spec": spec}, f"{component.name}-{title}")
    return _annotated(route, annotations)


def _annotated(route: Manifest, annotations: Mapping[str, str]) -> Manifest:
    stamp = canonical_hash([route["metadata"]["annotations"][MANIFEST_HASH], dict(annotations)])
    return route | {"metadata": route["metadata"] | {"annotations": {MANIFEST_HASH: stamp, **annotations}}}


def _grpc_match(service: str, method: str) -> Manifest:
    named = {"service": service} | ({"method": method} if method else {})
    return {"method": {"type": "Exact", **named}}


def _http_match(service: str, method: str) -> Manifest:
    if method:
        return {"path": {"type": "Exact", "value": f"/{service}/{method}"}}
    return {"path": {"type": "PathPrefix", "value": f"/{service}"}}
