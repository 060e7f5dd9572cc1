"""The settings of a component as the ConfigMap that its pods mount."""

from typing import Final

from embark.errors import InvalidSpecError
from embark.spec.model import Model
from embark_operator.manifests.children import Component, build_child, canonical_hash
from embark_operator.names import Manifest

SETTINGS_KEY: Final = "settings.json"
SETTINGS_HASH: Final = "embark.dev/settings-hash"
"""An annotation of pod templates: it replaces the pods when their settings change."""

# The API server's limit of one ConfigMap (MaxSecretSize of Kubernetes' core/v1).
_MAX_BYTES: Final = 1024 * 1024


def build_config_map(component: Component, settings: Model) -> Manifest:
    """Return the ConfigMap of a component's settings.

    Raises:
        InvalidSpecError: they do not fit into a ConfigMap, which only an OOV vector can cause.
    """
    text = _text(settings)
    if len(text.encode()) > _MAX_BYTES - len(SETTINGS_KEY):
        message = f"with this vector the settings have {len(text)} bytes; a ConfigMap holds at most {_MAX_BYTES}"
        raise InvalidSpecError("spec.miss.oovVectorConfigMap", message)
    return build_child(component, "v1", "ConfigMap", {"data": {SETTINGS_KEY: text}})


def settings_hash(settings: Model) -> str:
    """Return the value of the SETTINGS_HASH annotation."""
    return canonical_hash(_text(settings))


def _text(settings: Model) -> str:
    return settings.model_dump_json(by_alias=True)
