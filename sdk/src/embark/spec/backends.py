"""`spec.store` and `spec.topic`: where embeddings are stored and fills are requested."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from embark.spec.model import Model
from embark.spec.quantities import Duration, Port

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:\-]*[A-Za-z0-9])?$", max_length=253)]
Server = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$", max_length=260)]
Keyspace = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$", max_length=48)]
SecretName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9.\-]*[a-z0-9])?)?$", max_length=253)]
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._\-]*$", max_length=230)]


class ReadConsistency(StrEnum):
    """Consistency levels of lookups."""

    LOCAL_ONE = "LOCAL_ONE"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    ONE = "ONE"
    QUORUM = "QUORUM"


class WriteConsistency(StrEnum):
    """Consistency levels of fills."""

    LOCAL_ONE = "LOCAL_ONE"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    ONE = "ONE"
    QUORUM = "QUORUM"
    ALL = "ALL"


class SaslMechanism(StrEnum):
    """How a user authenticates to Kafka."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class DeletionPolicy(StrEnum):
    """What happens to the keyspace when the cache is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Consistency(Model):
    """`spec.store.cassandra.consistency`."""

    read: ReadConsistency = Field(default=ReadConsistency.LOCAL_ONE, description="Consistency of lookups.")
    write: WriteConsistency = Field(default=WriteConsistency.LOCAL_QUORUM, description="Consistency of fills.")


class Cassandra(Model):
    """`spec.store.cassandra`."""

    contact_points: tuple[Host, ...] = Field(
        min_length=1, max_length=64, description="Hosts that the driver connects to first."
    )
    port: Port = Field(default=9042, description="CQL port of every host.")
    datacenter: Annotated[str, StringConstraints(min_length=1, max_length=48)] = Field(
        default="datacenter1", description="The local datacenter."
    )
    keyspace: Keyspace = Field(description="Keyspace of this cache; every cache has its own.")
    replication_factor: int = Field(default=1, ge=1, le=9, description="Replicas in the local datacenter.")
    consistency: Consistency = Field(default_factory=Consistency, description="Consistency levels.")
    credentials_secret: SecretName = Field(
        default="", description="Secret with username and password; empty: no authentication."
    )
    tls_secret: SecretName = Field(default="", description="Secret with ca.crt, tls.crt and tls.key; empty: no TLS.")
    vector_search: bool = Field(
        default=False, description="Index the vectors, so that Similar finds a key's neighbours; needs Cassandra 5."
    )


class Store(Model):
    """`spec.store`."""

    cassandra: Cassandra = Field(description="The Cassandra cluster.")
    ttl: Duration = Field(
        default="0s", description="How long an embedding is kept; 0s: forever.", validate_default=True
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="What happens to the keyspace when the cache is deleted: Retain, or Delete with all its data. With "
        "Delete, the cache has the finalizer embark.dev/keyspace and remains until an operator has dropped the "
        "keyspace; set Retain to delete the cache without that. The keyspace is kept if its whole namespace is "
        "deleted.",
    )


class Kafka(Model):
    """`spec.topic.kafka`."""

    bootstrap_servers: tuple[Server, ...] = Field(
        min_length=1, max_length=64, description="host:port of the brokers to connect to first."
    )
    name: TopicName = Field(default="", description="Topic of the fills; empty: <namespace>.<cache>.fills.")
    partitions: int = Field(
        default=12, ge=1, le=4096, description="Partitions; at most this many consumers work in parallel."
    )
    replication_factor: int = Field(default=1, ge=1, le=9, description="Replicas of every partition.")
    credentials_secret: SecretName = Field(
        default="", description="Secret with username and password for SASL; empty: no authentication."
    )
    sasl_mechanism: SaslMechanism = Field(
        default=SaslMechanism.SCRAM_SHA_512, description="How the user of credentialsSecret authenticates."
    )
    tls_secret: SecretName = Field(default="", description="Secret with ca.crt, tls.crt and tls.key; empty: no TLS.")


class Retry(Model):
    """`spec.topic.retry`: for keys whose cause may pass; an outage of Retina or the store is not counted."""

    max_attempts: int = Field(
        default=5, ge=1, le=100, description="Attempts to encode one record before it becomes a dead letter."
    )
    initial_backoff: Duration = Field(
        default="1s", description="Wait before the second attempt; doubles each time.", validate_default=True
    )
    max_backoff: Duration = Field(default="5m", description="The longest backoff.", validate_default=True)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.initial_backoff > self.max_backoff:
            raise ValueError("initialBackoff exceeds maxBackoff")
        return self


class Topic(Model):
    """`spec.topic`."""

    kafka: Kafka = Field(description="The Kafka cluster.")
    retry: Retry = Field(default_factory=Retry, description="Attempts and backoff.")
