"""`spec.miss`, `spec.embark`, `spec.kfc`, `spec.retina` and `spec.mesh`: how the cache is served."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from embark.spec.autoscaling import CpuAutoscaling, LagAutoscaling, RetinaAutoscaling, check_one_scaling
from embark.spec.backends import SecretName
from embark.spec.model import Model
from embark.spec.quantities import Duration, Size, Timeout
from embark.spec.resources import ExtendedResource, Resources
from embark.spec.scheduling import Scheduling

ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.\-]*[a-z0-9])?$", max_length=253)]
TrustDomain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._\-]*[a-z0-9])?$", max_length=253)]


class Oov(StrEnum):
    """The OOV embedding that lookups return for a key without an embedding."""

    ZEROS = "Zeros"
    MEAN = "Mean"
    VECTOR = "Vector"


class NegativeTTL(Model):
    """`spec.miss.negativeTTL`: how long a key that cannot be encoded is remembered, by cause."""

    not_found: Duration = Field(default="24h", description="The origin does not have the item.", validate_default=True)
    undecodable: Duration = Field(
        default="168h", description="The item is not an image, or exceeds a limit.", validate_default=True
    )
    blocked: Duration = Field(default="168h", description="The URL is not allowed.", validate_default=True)
    unreachable: Duration = Field(
        default="5m", description="The origin did not answer in any attempt.", validate_default=True
    )


class Miss(Model):
    """`spec.miss`."""

    oov: Oov = Field(default=Oov.ZEROS, description="The OOV embedding: Zeros, Mean of the space, or a given Vector.")
    oov_vector_config_map: SecretName = Field(
        default="", description="For oov Vector: ConfigMap whose key `vector` is a JSON list of numbers."
    )
    negative_ttl: NegativeTTL = Field(
        default_factory=NegativeTTL,
        alias="negativeTTL",
        description="How long keys that cannot be encoded are remembered, by cause.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.oov is Oov.VECTOR) != bool(self.oov_vector_config_map):
            raise ValueError("oovVectorConfigMap is required with oov: Vector, and only allowed with it")
        return self


class HotTier(Model):
    """`spec.embark.hotTier`."""

    max_bytes: Size = Field(
        default="256Mi", description="Memory for encoded rows; 0: no hot tier.", validate_default=True
    )
    ttl: Duration = Field(
        default="60s", description="How long a row is served without reading the store.", validate_default=True
    )


class Serving(Model):
    """The part of `spec.embark` that the lookup server reads; a change of any other part replaces none of its pods."""

    hot_tier: HotTier = Field(default_factory=HotTier, description="The in-process LRU of encoded rows.")
    max_keys_per_request: int = Field(default=1024, ge=1, le=65536, description="Lookups with more keys are rejected.")
    read_timeout: Timeout = Field(
        default="50ms",
        description="Timeout of reads from the store; keys are then answered UNAVAILABLE.",
        validate_default=True,
    )


class EmbArk(Serving):
    """`spec.embark`."""

    resources: Resources = Field(default_factory=Resources, description="Container resources.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Where its pods run.")
    autoscaling: CpuAutoscaling | None = Field(default=None, description="Scale by CPU; not allowed with replicas.")
    replicas: int | None = Field(
        default=None, ge=1, le=1000, description="Fixed number of replicas; not allowed with autoscaling."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        check_one_scaling(self.replicas, self.autoscaling)
        return self

    def to_serving(self) -> Serving:
        """Return the part that the lookup server reads."""
        return Serving.model_construct(**{name: getattr(self, name) for name in Serving.model_fields})


class Kfc(Model):
    """`spec.kfc`."""

    autoscaling: LagAutoscaling | None = Field(default=None, description="Scale by lag; not allowed with replicas.")
    replicas: int | None = Field(
        default=None, ge=0, le=1000, description="Fixed number of replicas; not allowed with autoscaling."
    )
    max_inflight: int = Field(
        default=4, ge=1, le=256, description="Maximum number of Encode calls in flight per replica."
    )
    resources: Resources = Field(default_factory=Resources, description="Container resources.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Where its pods and those of the Jobs run.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        check_one_scaling(self.replicas, self.autoscaling)
        return self


class Gpu(Model):
    """`spec.retina.gpu`."""

    count: int = Field(default=0, ge=0, le=16, description="GPUs per replica.")
    resource_name: ExtendedResource = Field(default="nvidia.com/gpu", description="The extended resource to request.")


class Retina(Model):
    """`spec.retina`."""

    autoscaling: RetinaAutoscaling | None = Field(default=None, description="Scale by CPU; not allowed with replicas.")
    replicas: int | None = Field(
        default=None, ge=0, le=1000, description="Fixed number of replicas; not allowed with autoscaling."
    )
    resources: Resources = Field(default_factory=Resources, description="Container resources.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Where its pods run.")
    gpu: Gpu = Field(default_factory=Gpu, description="GPUs, for provider cuda.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        check_one_scaling(self.replicas, self.autoscaling)
        return self


class MeshProvider(StrEnum):
    """The service mesh of the cluster."""

    NONE = "none"
    LINKERD = "linkerd"
    ISTIO = "istio"


class AuthorizedClient(Model):
    """One entry of `spec.mesh.authorizedClients`."""

    service_account: ObjectName = Field(description="The client's ServiceAccount.")
    namespace: ObjectName = Field(description="Its namespace.")


class Mesh(Model):
    """`spec.mesh`."""

    provider: MeshProvider = Field(default=MeshProvider.NONE, description="none, linkerd or istio.")
    authorized_clients: tuple[AuthorizedClient, ...] = Field(
        default=(), max_length=64, description="Clients that may call EmbArk in a mesh; empty: any client of the mesh."
    )
    trust_domain: TrustDomain = Field(
        default="cluster.local", description="Trust domain of Istio's identities, as in its mesh configuration."
    )
