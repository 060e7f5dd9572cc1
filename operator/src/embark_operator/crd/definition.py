"""The CustomResourceDefinition of EmbeddingCache: names, schema, columns, subresources."""

import json
from typing import Any, Final

import yaml

from embark.spec.cache import API_VERSION, KIND, NAME_LENGTH, NAME_PATTERN, EmbeddingCacheSpec
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.crd.columns import COLUMNS
from embark_operator.crd.schemas import structural_schema

_GROUP, _VERSION = API_VERSION.split("/")
_PLURAL: Final = "embeddingcaches"
_HEADER: Final = """\
# Generated from sdk/src/embark/spec by `make generate` (python -m embark_operator.crd); do not edit.
"""


def build_definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_PLURAL}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": _PLURAL,
                "singular": "embeddingcache",
                "shortNames": ["embc"],
                "categories": ["ml"],
            },
            "versions": [_build_version()],
        },
    }


def render_definition() -> str:
    """Return the definition as YAML, under a comment that says where it comes from."""
    # Through JSON, so that values that two fields share are written out twice instead of as YAML aliases.
    definition = json.loads(json.dumps(build_definition()))
    return _HEADER + yaml.safe_dump(definition, sort_keys=False, width=120, allow_unicode=True)


def _build_version() -> dict[str, Any]:
    return {
        "name": _VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": COLUMNS,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.embark.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _build_schema()},
    }


def _build_schema() -> dict[str, Any]:
    name = {"type": "string", "pattern": NAME_PATTERN, "maxLength": NAME_LENGTH}
    return {
        "description": "An embedding cache: one encoder, one store, one topic.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": structural_schema(EmbeddingCacheSpec, "spec", with_defaults=True)
            | {"description": "The desired state."},
            "status": structural_schema(EmbeddingCacheStatus, "status", with_defaults=False)
            | {"description": "The observed state."},
        },
    }
