"""The status of an EmbeddingCache: written by the operator, read by people and tools."""

from datetime import datetime
from typing import Final

from pydantic import Field

from embark.spec.encoder import Encoder
from embark.spec.model import Model

ACCEPTED: Final = "Accepted"
"""The type of the condition of a valid spec."""


class Condition(Model):
    """One condition, as in meta/v1."""

    type: str = Field(description="For example Ready.")
    status: str = Field(description="True, False or Unknown.", pattern="^(True|False|Unknown)$")
    reason: str = Field(description="One word, for programs.")
    message: str = Field(default="", description="A sentence, for people.")
    observed_generation: int = Field(default=0, ge=0, description="The generation that it applies to.")
    last_transition_time: datetime = Field(description="When status last changed.")


class SpaceRecord(Model):
    """A space, with all that is needed to serve it after the spec has moved on to another one."""

    id: str = Field(description="The space.")
    encoder: Encoder = Field(description="The encoder that writes it.")
    source: str = Field(default="", description="The space it is re-embedded from; empty: the cache's first.")


class ActiveSpace(SpaceRecord):
    """`status.spaces.active`."""

    since: datetime | None = Field(default=None, description="When lookups switched to it.")


class CandidateSpace(SpaceRecord):
    """`status.spaces.candidate`."""

    coverage: str = Field(default="0", description="Share of the active space's keys that it holds.")


class PreviousSpace(SpaceRecord):
    """`status.spaces.previous`."""

    kept_until: datetime | None = Field(default=None, description="When it is dropped.")


class DroppedSpace(SpaceRecord):
    """`status.spaces.dropped`."""

    released: bool = Field(default=False, description="Nothing reads or writes it any longer; its data can be dropped.")


class Spaces(Model):
    """`status.spaces`."""

    active: ActiveSpace | None = Field(default=None, description="The space that lookups read.")
    candidate: CandidateSpace | None = Field(default=None, description="The space that a rollout fills.")
    previous: PreviousSpace | None = Field(default=None, description="The space that is kept for rollback.")
    dropped: DroppedSpace | None = Field(default=None, description="The space that is being dropped.")


class RolloutStatus(Model):
    """`status.rollout`."""

    phase: str = Field(default="Steady", description="The rollout's phase.")
    message: str = Field(default="", description="What the rollout waits for, or why it stopped.")
    since: datetime | None = Field(default=None, description="When the phase began.")
    started_at: datetime | None = Field(default=None, description="When the rollout began.")
    total: int = Field(default=0, ge=0, description="Keys to re-embed.")
    done: int = Field(default=0, ge=0, description="Keys re-embedded.")
    failed: int = Field(default=0, ge=0, description="Keys that could not be re-embedded.")
    estimated_seconds: int = Field(default=0, ge=0, description="Estimated seconds until the end; 0: not known.")
    attempt: int = Field(default=0, ge=0, description="How often the rollout was resumed after it had halted.")
    halted_in: str = Field(default="", description="The phase in which it halted.")
    halted_generation: int = Field(default=0, ge=0, description="The generation at which it halted.")


class CacheStatus(Model):
    """`status.cache`."""

    hit_ratio: str = Field(default="", description="Share of looked-up keys answered with their embedding.")
    hit_percent: str = Field(default="", description="hitRatio in percent, for people.")
    oov_ratio: str = Field(default="", description="Share of looked-up keys answered with the OOV embedding.")
    entries: int = Field(default=0, ge=0, description="Embeddings in the active space.")
    encode_seconds: str = Field(default="", description="Measured mean seconds that Retina takes to encode one key.")


class TopicStatus(Model):
    """`status.topic`."""

    lag: int = Field(default=0, ge=0, description="Fills requested and not done.")
    dead_lettered: int = Field(default=0, ge=0, description="Records in the dead-letters topic.")


class EmbeddingCacheStatus(Model):
    """`status`."""

    observed_generation: int = Field(default=0, ge=0, description="The generation that this status applies to.")
    phase: str = Field(default="", description="One word, for people.")
    model: str = Field(default="", description="The model file's name, for people.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Accepted, Ready and those of the parts.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    endpoint: str = Field(default="", description="host:port of EmbArk's gRPC service.")
    replicas: int = Field(default=0, ge=0, description="EmbArk's ready replicas, for the scale subresource.")
    selector: str = Field(default="", description="EmbArk's pods, for the scale subresource.")
    kfc_scaler: str = Field(
        default="", description="What scales KFC: keda, external, cpu, or none (spec.kfc.replicas)."
    )
    spaces: Spaces = Field(default_factory=Spaces, description="The spaces of the cache.")
    rollout: RolloutStatus = Field(default_factory=RolloutStatus, description="The rollout.")
    cache: CacheStatus = Field(default_factory=CacheStatus, description="Contents and answers of the cache.")
    topic: TopicStatus = Field(default_factory=TopicStatus, description="Fills that wait.")
