"""Objects of Istio and KEDA held against their published schemas, as the cloudcoil-models packages have them."""

import importlib
from typing import Any, Final

from embark_operator.names import Manifest

_MODULES: Final = {
    "networking.istio.io/v1": "cloudcoil.models.istio.networking.v1",
    "security.istio.io/v1": "cloudcoil.models.istio.security.v1",
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
}


def as_published(manifest: Manifest) -> Manifest:
    """Return the object as its schema reads it: fields that it does not know are gone.

    Raises:
        pydantic.ValidationError: a field has no value that the schema allows.
    """
    # It takes seconds, which only these tests have to wait.
    module = importlib.import_module(_MODULES[manifest["apiVersion"]])
    model: Any = getattr(module, manifest["kind"])
    read: Manifest = model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return read
