"""The status of an EmbeddingCache: written by the operator, read by people and tools."""

from datetime import datetime
from typing import Final

from pydantic import Field

from embark.spec.encoder import Encoder
from embark.spec.model import Model

ACCEPTED: Final = "Accepted"
"""The type of the condition that says whether the spec is valid."""


class Condition(Model):
    """One condition, as in meta/v1."""

    type: str = Field(description="For example Ready.")
    status: str = Field(description="True, False or Unknown.", pattern="^(True|False|Unknown)$")
    reason: str = Field(description="One word for programs.")
    message: str = Field(default="", description="A sentence for people.")
    observed_generation: int = Field(default=0, ge=0, description="The generation this is about.")
    last_transition_time: datetime = Field(description="When status last changed.")


class SpaceRecord(Model):
    """A space and all that is needed to serve it, though the spec has moved on to another."""

    id: str = Field(description="The space.")
    encoder: Encoder = Field(description="The spec's encoder that writes it.")
    source: str = Field(default="", description="The space it is re-embedded from; empty: the cache's first.")


class ActiveSpace(SpaceRecord):
    """`status.spaces.active`."""

    since: datetime | None = Field(default=None, description="When look-ups switched to it.")


class CandidateSpace(SpaceRecord):
    """`status.spaces.candidate`."""

    coverage: str = Field(default="0", description="Share of the active space's keys that it holds.")


class PreviousSpace(SpaceRecord):
    """`status.spaces.previous`."""

    kept_until: datetime | None = Field(default=None, description="When it is dropped.")


class DroppedSpace(SpaceRecord):
    """`status.spaces.dropped`."""

    released: bool = Field(default=False, description="Nothing reads or writes it any more; its data may go.")


class Spaces(Model):
    """`status.spaces`."""

    active: ActiveSpace | None = Field(default=None, description="What look-ups read.")
    candidate: CandidateSpace | None = Field(default=None, description="What a rollout fills.")
    previous: PreviousSpace | None = Field(default=None, description="What is kept for rollback.")
    dropped: DroppedSpace | None = Field(default=None, description="What is being dropped.")


class RolloutStatus(Model):
    """`status.rollout`."""

    phase: str = Field(default="Steady", description="Where the rollout is.")
    message: str = Field(default="", description="What it waits for or why it stopped.")
    since: datetime | None = Field(default=None, description="When the phase began.")
    started_at: datetime | None = Field(default=None, description="When the rollout began.")
    total: int = Field(default=0, ge=0, description="Keys to re-embed.")
    done: int = Field(default=0, ge=0, description="Keys re-embedded.")
    failed: int = Field(default=0, ge=0, description="Keys that could not be.")
    estimated_seconds: int = Field(default=0, ge=0, description="What the rest is expected to take; 0: not known.")
    attempt: int = Field(default=0, ge=0, description="How often it was resumed after it had halted.")
    halted_in: str = Field(default="", description="The phase in which it halted.")
    halted_generation: int = Field(default=0, ge=0, description="The generation at which it halted.")


class CacheStatus(Model):
    """`status.cache`."""

    hit_ratio: str = Field(default="", description="Share of look-ups' keys answered with their embedding.")
    hit_percent: str = Field(default="", description="hitRatio in percent, for people.")
    oov_ratio: str = Field(default="", description="Share answered with the OOV embedding.")
    entries: int = Field(default=0, ge=0, description="Embeddings in the active space.")
    encode_seconds: str = Field(default="", description="Mean seconds in which Retina encodes one key, as measured.")


class TopicStatus(Model):
    """`status.topic`."""

    lag: int = Field(default=0, ge=0, description="Fills asked for and not done.")
    dead_lettered: int = Field(default=0, ge=0, description="Records in the dead-letters topic.")


class EmbeddingCacheStatus(Model):
    """`status`."""

    observed_generation: int = Field(default=0, ge=0, description="The generation that this status is about.")
    phase: str = Field(default="", description="One word for people.")
    model: str = Field(default="", description="The model file's name, for people.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Accepted, Ready and the parts' own.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    endpoint: str = Field(default="", description="host:port of the gRPC look-ups.")
    replicas: int = Field(default=0, ge=0, description="EmbArk's ready replicas, for the scale subresource.")
    selector: str = Field(default="", description="EmbArk's pods, for the scale subresource.")
    kfc_scaler: str = Field(
        default="", description="What scales KFC: keda, external, cpu, or none (spec.kfc.replicas)."
    )
    spaces: Spaces = Field(default_factory=Spaces, description="The spaces of the cache.")
    rollout: RolloutStatus = Field(default_factory=RolloutStatus, description="The rollout.")
    cache: CacheStatus = Field(default_factory=CacheStatus, description="What the cache holds and answers.")
    topic: TopicStatus = Field(default_factory=TopicStatus, description="What waits to be filled.")
