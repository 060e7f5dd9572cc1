"""EmbeddingCache: the resource as one frozen value."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from embark.spec.access import Access
from embark.spec.backends import Store, Topic
from embark.spec.encoder import Encoder
from embark.spec.model import Model
from embark.spec.rollout import Rollout
from embark.spec.serving import EmbArk, Kfc, Mesh, Miss, Retina
from embark.spec.status import EmbeddingCacheStatus
from embark.spec.tenants import Tenants
from embark.spec.tls import Tls

API_VERSION: Final = "embark.dev/v1alpha1"
KIND: Final = "EmbeddingCache"
# The cache's Services are named after it, and a Service's name begins with a letter.
NAME_PATTERN: Final = r"^[a-z]([a-z0-9\-]*[a-z0-9])?$"
# Leaves room for the suffixes of its children within the 63 characters of a DNS label.
NAME_LENGTH: Final = 40
NAMESPACE_PATTERN: Final = r"^[a-z0-9]([a-z0-9\-]*[a-z0-9])?$"


class Metadata(Model):
    """The part of ObjectMeta that EmbArk reads; other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_LENGTH)] = Field(
        description="The cache."
    )
    namespace: Annotated[str, StringConstraints(pattern=NAMESPACE_PATTERN, max_length=63)] = Field(
        default="default", description="Its namespace."
    )
    generation: int = Field(default=0, ge=0, description="Counts changes of the spec.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations; some of them steer a rollout.")


class EmbeddingCacheSpec(Model):
    """`spec`: what a user declares."""

    paused: bool = Field(default=False, description="If true, the operator does not change the cache's children.")
    encoder: Encoder = Field(description="The model that computes embeddings.")
    store: Store = Field(description="Where embeddings are stored.")
    topic: Topic = Field(description="Where fills are requested.")
    miss: Miss = Field(default_factory=Miss, description="What lookups return for a key without an embedding.")
    rollout: Rollout = Field(default_factory=Rollout, description="How a change of the space is carried out.")
    embark: EmbArk = Field(default_factory=EmbArk, description="The lookup server.")
    kfc: Kfc = Field(default_factory=Kfc, description="The consumer of fills.")
    retina: Retina = Field(default_factory=Retina, description="The encoder's server.")
    mesh: Mesh = Field(default_factory=Mesh, description="The service mesh.")
    network: Access = Field(default_factory=Access, description="Which pods may reach those of the cache.")
    tls: Tls = Field(default_factory=Tls, description="TLS of gRPC, without a mesh.")
    tenants: Tenants = Field(
        default=(), max_length=64, description="Tenants that share the cache, and their quotas of misses."
    )


class EmbeddingCache(Model):
    """One encoder, one store, one topic."""

    api_version: Literal["embark.dev/v1alpha1"] = Field(default=API_VERSION, description="The resource's version.")
    kind: Literal["EmbeddingCache"] = Field(default=KIND, description="The resource's kind.")
    metadata: Metadata = Field(description="Name and namespace.")
    spec: EmbeddingCacheSpec = Field(description="The desired state.")
    status: EmbeddingCacheStatus = Field(default_factory=EmbeddingCacheStatus, description="The observed state.")
