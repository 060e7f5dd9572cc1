"""The resource definitions of meshes, KEDA and cert-manager, from the Go modules that publish them."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import yaml

from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.commands import ClusterError, run_for_output
from embark_testing.cluster.go_builds import MissingGoError
from embark_testing.cluster.kubeconfigs import KubectlError
from embark_testing.eventually import eventually


@dataclass(frozen=True)
class Definitions:
    """Files of one module at one version."""

    module: str
    version: str
    files: Sequence[str]


GATEWAY_API: Final = Definitions(
    "sigs.k8s.io/gateway-api",
    "v1.3.0",
    [f"config/crd/standard/gateway.networking.k8s.io_{kind}routes.yaml" for kind in ("grpc", "http")],
)
ISTIO: Final = Definitions("istio.io/api", "v1.26.0", ["kubernetes/customresourcedefinitions.gen.yaml"])
KEDA: Final = Definitions(
    "github.com/kedacore/keda/v2",
    "v2.17.2",
    [f"config/crd/bases/keda.sh_{kind}.yaml" for kind in ("scaledobjects", "triggerauthentications")],
)
CERT_MANAGER: Final = Definitions(
    "github.com/cert-manager/cert-manager", "v1.17.4", ["deploy/crds/crd-certificates.yaml"]
)
LINKERD: Final = Path(__file__).parent / "crds" / "linkerd.yaml"


def install_foreign_crds(server: ApiServer) -> None:
    """Install the foreign kinds that the operator creates objects of; skip the test if Go cannot fetch them."""
    files = [LINKERD, *(path for definitions in (GATEWAY_API, ISTIO, KEDA) for path in _required(definitions))]
    named = [f"--filename={path}" for path in files]
    server.kubectl("apply", "--server-side", *named)
    (certificates,) = _required(CERT_MANAGER)
    server.kubectl("apply", "--server-side", "--filename=-", stdin=_without_labels(certificates))
    for defined in (named, ["crd/certificates.cert-manager.io"]):
        eventually(partial(_established, server, defined), 60, "the API server serves the foreign kinds")


def _without_labels(path: Path) -> str:
    """Return a definition without its labels, which are templates in cert-manager's module."""
    definition = yaml.safe_load(path.read_text())
    del definition["metadata"]["labels"]
    return json.dumps(definition)


def _required(definitions: Definitions) -> Sequence[Path]:
    try:
        return _fetched(definitions)
    except ClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def _fetched(definitions: Definitions) -> Sequence[Path]:
    """Return the files in Go's module cache; fetch them if it lacks them.

    Raises:
        MissingGoError: there is no `go`.
        CommandFailedError: the module could not be fetched.
    """
    go = shutil.which("go")
    if go is None:
        raise MissingGoError(f"definitions of {definitions.module} need the Go client on the PATH: https://go.dev/dl/")
    module = f"{definitions.module}@{definitions.version}"
    folder = Path(json.loads(run_for_output([go, "mod", "download", "-json", module]))["Dir"])
    return [folder / file for file in definitions.files]


def _established(server: ApiServer, named: Sequence[str]) -> bool:
    try:
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *named)
    except KubectlError:  # also while a definition has no conditions yet
        return False
    return True
