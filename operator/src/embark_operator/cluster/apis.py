"""Which APIs a cluster serves beside Kubernetes' own: of meshes, scalers and metrics; reconcile asks, builders read it.

An object is made only where its API is served: a mesh or an autoscaler that is not installed would refuse it.
"""

from dataclasses import dataclass
from typing import Final

from embark_operator.cluster.kinds import FOREIGN_KINDS, Kind

EXTERNAL_METRICS: Final = "external.metrics.k8s.io/v1beta1"
"""Served by an adapter of a monitoring system; HorizontalPodAutoscalers read it."""

API_VERSIONS: Final = tuple(dict.fromkeys([*(kind.api_version for kind in FOREIGN_KINDS), EXTERNAL_METRICS]))
"""What a cluster is asked about."""


@dataclass(frozen=True, slots=True)
class Apis:
    """What a cluster serves of the API versions that it was asked about."""

    kinds: frozenset[tuple[str, str]] = frozenset()
    """Pairs of API version and kind."""

    def has(self, api_version: str, kind: str) -> bool:
        """Return whether objects of that kind can be made."""
        return (api_version, kind) in self.kinds

    def lack(self, *kinds: Kind) -> tuple[str, ...]:
        """Return which of these kinds are not served, as `<API version> <kind>`."""
        return tuple(f"{kind.api_version} {kind.name}" for kind in kinds if not self.has(kind.api_version, kind.name))

    def serves(self, api_version: str) -> bool:
        """Return whether anything of that API version is served: an adapter without a metric serves none."""
        return any(served == api_version for served, _ in self.kinds)


NO_APIS: Final = Apis()
"""A cluster that serves Kubernetes' own alone."""
