"""The options of the Kafka clients, by their use; librdkafka's CONFIGURATION.md describes each."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from embark.errors import InvalidSpecError
from embark.spec import Kafka

Option = str | int | float | bool
Options = dict[str, Option]

COMPRESSION: Final = "lz4"
# A record holds its key twice, and a key has at most 8 KiB.
_MAX_QUEUED_KBYTES: Final = 64 * 1024
_MILLISECOND: Final = timedelta(milliseconds=1)
# How long a fill waits for others to share its request. On two cores, broker and producer together cost a quarter of
# the throughput of lookups that miss at 5 ms, and less than a tenth at 100 ms.
_LINGER: Final = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The contents of a cache's Secrets: SASL credentials, and PEM texts for TLS."""

    username: str = ""
    password: str = field(default="", repr=False)
    authority: str = ""
    """ca.crt; empty: the authorities of the system, if TLS is used at all."""
    certificate: str = ""
    """tls.crt, for brokers that require a certificate of their clients."""
    private_key: str = field(default="", repr=False)


def access_options(kafka: Kafka, access: KafkaAccess) -> Options:
    """Return the options that locate the brokers and authenticate to them.

    Raises:
        InvalidSpecError: the spec names a Secret whose contents are missing, or a certificate comes without its key.
    """
    if kafka.credentials_secret and not access.username:
        raise InvalidSpecError("spec.topic.kafka.credentialsSecret", "names a Secret, but no username is given")
    if bool(access.certificate) != bool(access.private_key):
        raise InvalidSpecError("spec.topic.kafka.tlsSecret", "must have both tls.crt and tls.key, or neither")
    tls = bool(kafka.tls_secret or access.authority or access.certificate)
    options: Options = {
        "bootstrap.servers": ",".join(kafka.bootstrap_servers),
        "security.protocol": ("sasl_" if access.username else "") + ("ssl" if tls else "plaintext"),
        # With librdkafka 2.16's default (rebootstrap), clients that have lost every broker try to connect twenty times
        # a second, and an admin client never finds the coordinator of a group again.
        "metadata.recovery.strategy": "none",
        # A broker that is back is found within about a second, instead of ten by default.
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
    }
    pems = {
        "ssl.ca.pem": access.authority,
        "ssl.certificate.pem": access.certificate,
        "ssl.key.pem": access.private_key,
    }
    options |= {name: pem for name, pem in pems.items() if pem}
    if access.username:
        options |= {
            "sasl.mechanism": kafka.sasl_mechanism.value,
            "sasl.username": access.username,
            "sasl.password": access.password,
        }
    return options


def describe_access(options: Options) -> str:
    """Return how the brokers are contacted, for people: the protocol, user and certificate of access_options."""
    protocol = str(options["security.protocol"])
    user = "anonymously"
    if "sasl.username" in options:
        user = f"as {options['sasl.username']} by {options['sasl.mechanism']}"
    certificate = "with" if "ssl.certificate.pem" in options else "without"
    return f"contacted over {protocol} {user}" + (f", {certificate} a certificate" if protocol.endswith("ssl") else "")


def fills_producer_options(capacity: int, max_age: timedelta) -> Options:
    """Return the options of a producer that loses nothing in a short outage and drops the oldest in a long one."""
    return _durable(max_age) | {
        "linger.ms": min(_LINGER, max_age / 2) // _MILLISECOND,
        "queue.buffering.max.messages": capacity,
        "queue.buffering.max.kbytes": _MAX_QUEUED_KBYTES,
        "delivery.report.only.error": True,
    }


def dead_letters_producer_options(max_age: timedelta) -> Options:
    """Return the options of a producer whose caller waits for each record."""
    return _durable(max_age) | {"linger.ms": 0}


def consumer_options(group: str, *, classic: bool) -> Options:
    """Return the options of a group member, which commits the offsets stored and keeps its partitions if possible."""
    protocol: Options = (
        {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
        if classic
        else {"group.protocol": "consumer"}
    )
    return protocol | {
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 500,
        "isolation.level": "read_committed",
        # librdkafka's queue is kept short: its contents are fetched again after a pause.
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 256 * 1024,
        "queued.min.messages": 2_000,
        "fetch.queue.backoff.ms": 50,
    }


def reader_options() -> Options:
    """Return the options of a consumer without a group that reports the ends of partitions."""
    return {
        # librdkafka requires a name; nothing is ever committed in it.
        "group.id": "embark-dead-letters",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
    }


def observer_options(group: str) -> Options:
    """Return the options of a client that reads and commits for a group without joining it."""
    return {
        "group.id": group,
        "group.protocol": "classic",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }


def _durable(max_age: timedelta) -> Options:
    return {
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": COMPRESSION,
        "message.timeout.ms": max_age // _MILLISECOND,
        # CRC-32 of the key, also of an empty one, as in the embedded topics.
        "partitioner": "consistent",
    }
