"""Asks an API server which kinds it serves, of the API versions that matter alone; part of kubernetes_cluster."""

import json
from collections.abc import Callable, Iterable
from typing import Final

from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

from embark_operator.cluster.apis import Apis

# An API that is installed or taken away is seen so much later, and a pass that follows another asks nothing.
_KEPT_SECONDS: Final = 60.0
_MISSING: Final = 404
_NOBODY_ANSWERS: Final = 503


class Discovery:
    """What one API server serves; thread-safe: at worst two threads ask the same."""

    def __init__(self, client: DynamicClient, request_seconds: float, monotonic: Callable[[], float]) -> None:
        self._client: Final = client
        self._request_seconds: Final = request_seconds
        self._monotonic: Final = monotonic
        self._known: Final[dict[str, tuple[float, frozenset[str]]]] = {}

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what of these API versions is served, as far as was known at most 60 s ago.

        Raises:
            DynamicApiError: the API server does not tell.
        """
        return Apis(frozenset((version, kind) for version in api_versions for kind in self._kinds_of(version)))

    def _kinds_of(self, api_version: str) -> frozenset[str]:
        asked, kinds = self._known.get(api_version, (None, frozenset()))
        now = self._monotonic()
        if asked is None or now - asked >= _KEPT_SECONDS:
            kinds = self._ask(api_version, kinds)
            self._known[api_version] = (now, kinds)
        return kinds

    def _ask(self, api_version: str, before: frozenset[str]) -> frozenset[str]:
        path = f"/apis/{api_version}"
        try:
            answer = self._client.request("get", path, serialize=False, _request_timeout=self._request_seconds)
        except DynamicApiError as error:
            if error.status == _MISSING:
                return frozenset()
            if error.status == _NOBODY_ANSWERS:
                return before  # the server behind an aggregated API is away, and no reason to do anything else
            raise
        resources = json.loads(answer.data)["resources"]
        # A name with a slash is a part of a kind: scale, status.
        return frozenset(resource["kind"] for resource in resources if "/" not in resource["name"])
