"""`spec.network`: which pods may reach those of the cache, by NetworkPolicies."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from embark.spec.labels import Labels
from embark.spec.model import Model

_NAMESPACE_PATTERN: Final = r"^([a-z0-9]([a-z0-9\-]*[a-z0-9])?)?$"


class Peer(Model):
    """A set of pods; one entry of `spec.network.clients` or `.monitoring`."""

    namespace: Annotated[str, StringConstraints(pattern=_NAMESPACE_PATTERN, max_length=63)] = Field(
        default="", description="The pods' namespace; empty: any."
    )
    pods: Labels = Field(
        default="", description="Labels of the pods, for example app=ranker,tier=web; empty: all pods."
    )

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The labels as pairs of name and value."""
        pairs = (label.partition("=") for label in self.pods.split(",") if label)
        return tuple((name, value) for name, _, value in pairs)


class Access(Model):
    """`spec.network`."""

    policies: bool = Field(
        default=True,
        description="Whether NetworkPolicies block all traffic of the cache's pods that EmbArk does not need.",
    )
    clients: tuple[Peer, ...] = Field(
        default=(), max_length=64, description="Pods that may look up; empty: every pod of the cluster."
    )
    monitoring: tuple[Peer, ...] = Field(
        default=(), max_length=64, description="Pods that may read metrics; empty: every pod of the cluster."
    )
