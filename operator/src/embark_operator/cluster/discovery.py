"""Discovers which kinds an API server serves, of a given set of API versions."""

import json
from collections.abc import Callable, Iterable
from typing import Final

from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

from embark_operator.cluster.apis import Apis

_MISSING: Final = 404
_NO_BACKEND: Final = 503


class Discovery:
    """Caches what one API server serves; thread-safe: at worst two threads make the same request.

    An API that is installed or removed is noticed `max_age` seconds late, so that most reconciles make no request.
    """

    def __init__(
        self,
        client: DynamicClient,
        request_seconds: float,
        monotonic: Callable[[], float],
        max_age: float = 60.0,
    ) -> None:
        self._client = client
        self._request_seconds = request_seconds
        self._monotonic = monotonic
        self._max_age = max_age
        self._cached: dict[str, tuple[float, frozenset[str]]] = {}

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what is served of these API versions, at most 60 s old.

        Raises:
            DynamicApiError: the API server does not answer.
        """
        return Apis(frozenset((version, kind) for version in api_versions for kind in self._find_kinds(version)))

    def _find_kinds(self, api_version: str) -> frozenset[str]:
        requested_at, kinds = self._cached.get(api_version, (None, frozenset()))
        now = self._monotonic()
        if requested_at is None or now - requested_at >= self._max_age:
            kinds = self._request(api_version, kinds)
            self._cached[api_version] = (now, kinds)
        return kinds

    def _request(self, api_version: str, before: frozenset[str]) -> frozenset[str]:
        path = f"/apis/{api_version}"
        try:
            response = self._client.request("get", path, serialize=False, _request_timeout=self._request_seconds)
        except DynamicApiError as error:
            if error.status == _MISSING:
                return frozenset()
            if error.status == _NO_BACKEND:
                return before  # the server behind an aggregated API is down: assume that nothing has changed
            raise
        resources = json.loads(response.data)["resources"]
        # A name with a slash is a subresource: scale, status.
        return frozenset(resource["kind"] for resource in resources if "/" not in resource["name"])
