"""The caches of one namespace on a real API server that has the CRD."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config

from embark_operator.crd import build_definition, render_definition
from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.kubeconfigs import Kubectl, KubectlError
from embark_testing.eventually import eventually

Document = dict[str, Any]

CRD: str = build_definition()["metadata"]["name"]


def install_crd(server: ApiServer) -> None:
    """Apply the CRD, and wait until caches can be created; idempotent."""
    server.kubectl("apply", "--server-side", "-f=-", stdin=render_definition())
    # Not `kubectl wait`: it fails on a definition that has no conditions yet.
    eventually(lambda: _serves_caches(server.kubectl), 60, "the API server serves caches")


def _serves_caches(kubectl: Kubectl) -> bool:
    try:
        kubectl("get", CRD)
    except KubectlError:
        return False
    return True


class Refused(Exception):  # noqa: N818 - an expected response, not a failure
    """The API server rejected a cache; `status` is its response."""

    def __init__(self, status: Document) -> None:
        super().__init__(status.get("message", ""))
        self.message: str = status.get("message", "")
        self.causes: list[Document] = status.get("details", {}).get("causes", [])

    @property
    def fields(self) -> set[str]:
        """The fields that the response names."""
        return {cause["field"] for cause in self.causes}


class Caches:
    """Creates, changes, reads and deletes caches; every method raises Refused if the API server rejects it."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = client.CustomObjectsApi(api)
        self._place = ("embark.dev", "v1alpha1", namespace, "embeddingcaches")

    def create(self, manifest: Document, *, dry_run: bool = False) -> Document:
        """Create a cache as kubectl does, rejecting unknown fields, and return it as it is stored."""
        options = {"dry_run": "All"} if dry_run else {}
        return self._call("create_namespaced_custom_object", manifest, field_validation="Strict", **options)

    def change(self, name: str, change: Document, subresource: str = "") -> Document:
        """Merge `change` into a cache, its `status` or its `scale`."""
        suffix = f"_{subresource}" if subresource else ""
        return self._call(f"patch_namespaced_custom_object{suffix}", name, change)

    def read(self, name: str) -> Document:
        """Return a cache."""
        return self._call("get_namespaced_custom_object", name)

    def delete(self, name: str) -> None:
        """Delete a cache."""
        self._call("delete_namespaced_custom_object", name)

    def _call(self, method: str, *arguments: Any, **options: str) -> Document:
        try:
            response: Document = getattr(self._api, method)(*self._place, *arguments, **options)
        except client.ApiException as error:
            raise Refused(json.loads(error.body or "{}")) from None
        return response


@contextmanager
def open_caches(kubeconfig: Path, namespace: str) -> Iterator[Caches]:
    """Open the caches of a namespace."""
    with config.new_client_from_config(config_file=str(kubeconfig)) as api:  # type: ignore[no-untyped-call]
        yield Caches(api, namespace)
