"""What the children of a cache are built from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embark.rollout.state import RolloutPhase, RolloutState
from embark.spec import EmbeddingCache
from embark_operator.cluster.apis import NO_APIS, Apis
from embark_operator.manifests.children import Component
from embark_operator.manifests.scaling import SpaceUse
from embark_operator.options import Images, Options


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A cache, its rollout, and what else decides how its children look."""

    cache: EmbeddingCache
    uid: str
    """The cache's, for owner references."""
    options: Options
    rollout: RolloutState
    apis: Apis = NO_APIS
    saturation_caps: Mapping[str, int] = field(default_factory=dict)
    """By space: how many replicas a KFC is capped at, because its Retina is saturated."""
    oov_vector: Sequence[float] | None = None
    """The vector of the active space in the ConfigMap of spec.miss.oovVectorConfigMap."""

    @property
    def images(self) -> Images:
        """The images of the services."""
        return self.options.images

    @property
    def served_spaces(self) -> tuple[str, ...]:
        """The ids of the spaces that have a KFC and a Retina."""
        return tuple(space.id for space in self.rollout.served)

    def component(self, title: str, name: str, space_id: str = "") -> Component:
        """Return a component of the cache."""
        return Component(self.cache, self.uid, title, name, space_id)

    def space_use(self, space_id: str) -> SpaceUse:
        """Return how a space is used now."""
        candidate = self.rollout.spaces.candidate
        return SpaceUse(
            idle=space_id != self.rollout.active.id,
            filled=candidate is not None and space_id == candidate.id,
            # Before the switch, the lags of two spaces are compared; without a pod there is none to read.
            watched=self.rollout.phase is RolloutPhase.VERIFYING,
            saturation_cap=self.saturation_caps.get(space_id),
        )
