"""Checks of Istio's and KEDA's objects against their published schemas, from the cloudcoil-models packages."""

import importlib
from typing import Any, Final

from embark_operator.names import Manifest

_MODULES: Final = {
    "networking.istio.io/v1": "cloudcoil.models.istio.networking.v1",
    "security.istio.io/v1": "cloudcoil.models.istio.security.v1",
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
}


def as_published(manifest: Manifest) -> Manifest:
    """Return the object as its schema parses it: unknown fields are dropped.

    Raises:
        pydantic.ValidationError: a field has a value that the schema does not allow.
    """
    # The import takes seconds, which only these tests should wait for.
    module = importlib.import_module(_MODULES[manifest["apiVersion"]])
    model: Any = getattr(module, manifest["kind"])
    read: Manifest = model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return read
