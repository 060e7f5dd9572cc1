"""The settings of each service.

They have only the fields that the service reads: a change of any other part of the cache's spec replaces none of its
pods.
"""

import math
from typing import Self

from pydantic import Field, model_validator

from embark.space import Space
from embark.spec import Batch, Cassandra, Fetch, Kafka, NegativeTTL, Oov, Provider, Retry, Serving
from embark.spec.encoder import ModelFile
from embark.spec.model import Model
from embark.spec.quantities import Duration, Size
from embark.spec.tenants import Tenant


def _is_absent(value: object) -> bool:
    """Return whether a field is left out of the JSON: a feature that a cache does not use replaces none of its pods."""
    return not value


class Listen(Model):
    """The addresses on which a service listens; port 0 picks a free one."""

    host: str = "0.0.0.0"
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    probes_port: int = Field(default=8080, ge=0, le=65535)
    drain: Duration = Field(default="10s", validate_default=True)
    """How long calls in flight may take to finish when the service stops."""


class TlsSettings(Model):
    """The certificates of a service: tls.crt, tls.key and ca.crt of `folder`, read again when they change."""

    folder: str
    client_certificates: bool = False
    """Clients need a certificate signed by ca.crt."""
    authorized_identities: tuple[str, ...] = ()
    """Patterns of the clients that may call; empty: any client."""
    server_name: str = ""
    """The name in the certificate of the called server; empty: the name in the target."""


class StoreSettings(Model):
    """The store of a cache, for EmbArk and KFC."""

    cassandra: Cassandra
    ttl: Duration


class TopicSettings(Model):
    """The topic of a cache, for EmbArk and KFC."""

    kafka: Kafka
    fills: str
    dead_letters: str


class EmbArkSettings(Model):
    """The settings of the lookup server."""

    cache: str
    active: Space
    previous: Space | None = None
    """The space that is still served to lookups that pin it."""
    store: StoreSettings
    topic: TopicSettings
    serving: Serving
    oov: Oov
    repeat_window: Duration = Field(default="30s", validate_default=True)
    """Within it, repeated misses of a key send one fill request."""
    oov_vector: tuple[float, ...] | None = None
    """The OOV embedding of the active space; required with oov Vector, and only allowed with it."""
    listen: Listen = Listen()
    tenants: tuple[Tenant, ...] = Field(default=(), exclude_if=_is_absent)
    tls: TlsSettings | None = Field(default=None, exclude_if=_is_absent)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        fault = find_vector_fault(self.oov, self.active, self.oov_vector)
        if fault:
            raise ValueError(fault)
        return self


class KfcSettings(Model):
    """The settings of the consumer of one space."""

    cache: str
    space: Space
    store: StoreSettings
    topic: TopicSettings
    retry: Retry
    negative_ttl: NegativeTTL
    consumer_group: str
    source: str = ""
    """The space that this one is re-embedded from; its keys are scanned, so the group starts at the topic's end."""
    retina: str
    """The gRPC target of the space's Retina."""
    max_inflight: int
    encode_items: int
    """Maximum number of keys of one Encode call."""
    encode_timeout: Duration = Field(default="60s", validate_default=True)
    listen: Listen = Listen()
    retina_tls: TlsSettings | None = Field(default=None, exclude_if=_is_absent)
    """None: Retina is called in plain text."""

    def consumer_group_for(self, space_id: str) -> str:
        """Return the consumer group of another space of the cache; see names.consumer_group."""
        return self.consumer_group.removesuffix(self.space.id) + space_id


class RetinaSettings(Model):
    """The settings of the encoder's server."""

    cache: str
    space: Space
    model: ModelFile
    provider: Provider
    batch: Batch
    fetch: Fetch
    max_request_bytes: Size = Field(default="64Mi", validate_default=True)
    listen: Listen = Listen()
    tls: TlsSettings | None = Field(default=None, exclude_if=_is_absent)


def find_vector_fault(oov: Oov, space: Space, vector: tuple[float, ...] | None) -> str:
    """Return why an OOV vector does not match `oov` and the space; empty if it does."""
    if vector is None:
        return "oov is Vector, but no OOV vector is given" if oov is Oov.VECTOR else ""
    if oov is not Oov.VECTOR:
        return f"an OOV vector is given, but oov is {oov}"
    if len(vector) != space.dimension:
        return f"the OOV vector has {len(vector)} elements; the space {space.id} has {space.dimension}"
    if not all(map(math.isfinite, vector)):
        return "the OOV vector has an element that is not finite"
    return ""
