"""The names and labels of a cache's children."""

from typing import Any, Final

from embark.settings import Listen, ProbesAddress
from embark.spec import EmbeddingCache

Manifest = dict[str, Any]
"""An object of the Kubernetes API, as the dict that its YAML parses to."""

FIELD_MANAGER: Final = "embark-operator"
HANDOVER: Final = "embark-operator-handover"
"""The field manager that keeps the replicas of a Deployment between the operator and its first scaler."""
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
CACHE_LABEL: Final = "embark.dev/cache"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
SPACE_LABEL: Final = "embark.dev/space"
DROP_KEYSPACE: Final = "drop-keyspace"
"""The component that drops the keyspace of a deleted cache."""


def child_selector(cache_name: str) -> str:
    """Return the label selector of every child of a cache."""
    return f"{MANAGED_BY_LABEL}={FIELD_MANAGER},{CACHE_LABEL}={cache_name}"


def selector_labels(cache: EmbeddingCache, component: str, space_id: str = "") -> dict[str, str]:
    """Return the labels that select a component's pods; they never change, and contain nothing of the spec."""
    labels = {CACHE_LABEL: cache.metadata.name, COMPONENT_LABEL: component}
    return labels | ({SPACE_LABEL: space_id} if space_id else {})


def child_labels(cache: EmbeddingCache, component: str, space_id: str = "") -> dict[str, str]:
    """Return the labels of a child."""
    return selector_labels(cache, component, space_id) | {
        "app.kubernetes.io/name": "embark",
        "app.kubernetes.io/instance": cache.metadata.name,
        "app.kubernetes.io/part-of": "embark",
        MANAGED_BY_LABEL: FIELD_MANAGER,
    }


def embark_name(cache: EmbeddingCache) -> str:
    """Return the name of EmbArk's Deployment, Service, account and settings."""
    return f"{cache.metadata.name}-embark"


def embark_headless_name(cache: EmbeddingCache) -> str:
    """Return the name of the Service that resolves to every pod of EmbArk."""
    return f"{embark_name(cache)}-headless"


def embark_probes(cache: EmbeddingCache) -> ProbesAddress:
    """Return the address of the probes of all EmbArk pods."""
    host = f"{embark_headless_name(cache)}.{cache.metadata.namespace}"
    return ProbesAddress(host=host, port=Listen().probes_port)


def kfc_name(cache: EmbeddingCache, space_id: str) -> str:
    """Return the name of the Deployment, account and settings of a space's KFC."""
    return f"{cache.metadata.name}-kfc-{space_id}"


def retina_name(cache: EmbeddingCache, space_id: str) -> str:
    """Return the name of the Deployment, Service, account and settings of a space's Retina."""
    return f"{cache.metadata.name}-retina-{space_id}"


def drop_name(cache: EmbeddingCache, space_id: str) -> str:
    """Return the name of the account and settings that a space is dropped with."""
    return f"{cache.metadata.name}-drop-{space_id}"


def drop_keyspace_name(cache: EmbeddingCache) -> str:
    """Return the name of the account and settings that the keyspace is dropped with."""
    return f"{cache.metadata.name}-{DROP_KEYSPACE}"
