"""The adapter of a real Kubernetes API, by the official client; blocking."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
from urllib3.exceptions import HTTPError

from embark.errors import EmbArkError, UnavailableError
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.discovery import Discovery
from embark_operator.cluster.kinds import Kind, find_kind
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, ConflictError, MissingError
from embark_operator.names import FIELD_MANAGER, Manifest

# A longer write might complete after this process has lost its lease; see `leader.leases`.
REQUEST_SECONDS: Final = 5.0
_PAGE: Final = 500
_REFUSALS: Final = {404: MissingError, 409: ConflictError}
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
# The API server answers an apply with an unknown field with 500, as if the error were its own.
_UNTYPED: Final = "failed to create typed patch object"


def connect() -> ApiClient:
    """Return a client of the API server that the pod's account, or KUBECONFIG, names.

    Raises:
        UnavailableError: neither is configured.
    """
    try:
        config.load_config()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise UnavailableError("kubernetes", f"no API server is configured: {error}") from error
    configuration = Configuration.get_default_copy()
    configuration.retries = False  # with hidden retries, a write may last longer than the lease
    return ApiClient(configuration)


class KubernetesCluster:
    """A Cluster; thread-safe."""

    def __init__(self, client: ApiClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        # The client caches what it discovers in a file; give it a new one, not one that another process left behind.
        self._folder = tempfile.TemporaryDirectory(prefix="embark-operator-")
        try:
            with _translated("the API server"):
                cache = Path(self._folder.name) / "discovered.json"
                self._client = DynamicClient(client, cache_file=str(cache))  # type: ignore[no-untyped-call]
        except EmbArkError:
            self.close()
            raise
        self._discovery = Discovery(self._client, REQUEST_SECONDS, monotonic)

    def close(self) -> None:
        """Delete what was written to disk; may be called twice."""
        self._folder.cleanup()

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None if it does not exist."""
        try:
            return self._call(f"{kind.name} {namespace}/{name}", kind, "get", name=name, namespace=namespace)
        except MissingError:
            return None

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        """Return the objects that match a label selector, read in pages."""
        found: list[Manifest] = []
        token = None
        while True:
            page = self._call(
                f"list of {kind.plural}",
                kind,
                "get",
                namespace=namespace or None,
                label_selector=selector or None,
                limit=_PAGE,
                _continue=token,
            )
            # The items of a list lack their API version and kind.
            found += [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                return found

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest on the server."""
        return self._call(
            _describe(manifest),
            find_kind(manifest),
            "server_side_apply",
            body=manifest,
            namespace=manifest["metadata"].get("namespace"),
            field_manager=manager,
            force_conflicts=True,
        )

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object."""
        namespace = manifest["metadata"].get("namespace")
        return self._call(_describe(manifest), find_kind(manifest), "create", body=manifest, namespace=namespace)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete the object with that uid, and what it owns: first with `foreground`, else after it."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground" if foreground else "Background",
            "preconditions": {"uid": uid},
        }
        try:
            self._call(f"{kind.name} {namespace}/{name}", kind, "delete", name=name, namespace=namespace, body=options)
        except ConflictError:
            return  # it was deleted since it was read, and perhaps created again

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Replace the status of a cache, unless the cache was changed since it was read."""
        with _translated(_describe(cache)):
            kind = find_kind(cache)
            resource = self._client.resources.get(api_version=kind.api_version, kind=kind.name)
            resource.status.replace(
                body=cache | {"status": status},
                namespace=cache["metadata"]["namespace"],
                field_manager=FIELD_MANAGER,
                _request_timeout=REQUEST_SECONDS,
            )

    def merge(self, kind: Kind, namespace: str, name: str, change: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a JSON merge patch (RFC 7396) to an object as `manager`, and return the object."""
        return self._call(
            f"{kind.name} {namespace}/{name}",
            kind,
            "patch",
            body=change,
            name=name,
            namespace=namespace,
            content_type="application/merge-patch+json",
            field_manager=manager,
        )

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        """Replace the finalizers of a cache, unless the cache was changed since it was read."""
        metadata = cache["metadata"]
        preconditions = {name: metadata[name] for name in ("uid", "resourceVersion")}
        change = {"metadata": preconditions | {"finalizers": list(finalizers)}}
        return self.merge(find_kind(cache), metadata["namespace"], metadata["name"], change)

    def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object, unless it was changed since it was read."""
        namespace = manifest["metadata"].get("namespace")
        return self._call(_describe(manifest), find_kind(manifest), "replace", body=manifest, namespace=namespace)

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what is served of these API versions, at most 60 s old."""
        with _translated("API discovery"):
            return self._discovery.served(api_versions)

    def _call(self, what: str, kind: Kind, verb: str, **arguments: Any) -> Manifest:
        with _translated(what):
            resource = self._client.resources.get(api_version=kind.api_version, kind=kind.name)
            response = getattr(resource, verb)(serialize=False, _request_timeout=REQUEST_SECONDS, **arguments)
            body: Manifest = json.loads(response.data)
            return body


def _describe(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Translate the client's errors into those of `cluster.protocol`."""
    try:
        yield
    except DynamicApiError as error:
        status, message, reason = error.status, *_parse_error(error)
        is_temporary = status == _TOO_MANY or status >= _SERVER_ERRORS
        if is_temporary and not message.startswith(_UNTYPED):
            raise UnavailableError("kubernetes", f"{what}: {message}") from error
        raise _REFUSALS.get(status, ApiRefusedError)(what, reason, message) from error
    except ResourceNotFoundError as error:
        raise ApiRefusedError(what, "NoSuchKind", str(error)) from error
    except (HTTPError, OSError) as error:
        raise UnavailableError("kubernetes", f"{what}: {error}") from error


def _parse_error(error: DynamicApiError) -> tuple[str, str]:
    """Return the message and the reason of the API's Status, or the HTTP reason for both."""
    try:
        status = json.loads(error.body or "")
        causes = [cause.get("reason") for cause in (status.get("details") or {}).get("causes") or ()]
        reason = NAMESPACE_TERMINATING if NAMESPACE_TERMINATING in causes else status.get("reason")
        return status.get("message") or error.reason, reason or error.reason
    except (TypeError, ValueError, AttributeError):
        return str(error.reason), str(error.reason)
