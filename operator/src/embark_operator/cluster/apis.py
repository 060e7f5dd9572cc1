"""The APIs that a cluster serves beyond Kubernetes' own: those of meshes, autoscalers, certificates and metrics.

An object is created only where its API is served, since the API server rejects any other.
"""

from dataclasses import dataclass
from typing import Final

from embark_operator.cluster.kinds import FOREIGN_KINDS, Kind

EXTERNAL_METRICS: Final = "external.metrics.k8s.io/v1beta1"
"""Served by an adapter of a monitoring system, for HorizontalPodAutoscalers."""

API_VERSIONS: Final = tuple(dict.fromkeys([*(kind.api_version for kind in FOREIGN_KINDS), EXTERNAL_METRICS]))
"""The API versions to discover."""


@dataclass(frozen=True, slots=True)
class Apis:
    """What a cluster serves of the discovered API versions."""

    kinds: frozenset[tuple[str, str]] = frozenset()
    """Pairs of API version and kind."""

    def has(self, api_version: str, kind: str) -> bool:
        """Return whether objects of that kind can be created."""
        return (api_version, kind) in self.kinds

    def missing(self, *kinds: Kind) -> tuple[str, ...]:
        """Return those of `kinds` that are not served, as `<API version> <kind>`."""
        return tuple(f"{kind.api_version} {kind.name}" for kind in kinds if not self.has(kind.api_version, kind.name))

    def serves(self, api_version: str) -> bool:
        """Return whether the API version is served with any kind; an adapter without metrics serves none."""
        return any(served == api_version for served, _ in self.kinds)


NO_APIS: Final = Apis()
"""A cluster that serves only Kubernetes' own APIs."""
