"""The options that librdkafka is given, by what its clients do; pure. Their meanings: librdkafka's CONFIGURATION.md."""

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
# How long a fill may wait for others to share its request with. Broker and producer together took a quarter of the
# look-ups that miss on two cores at 5 ms, and less than a tenth at 100 ms.
_LINGER: Final = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """What the Secrets of a cache hold, read by composition roots: SASL credentials, and PEM texts for TLS."""

    username: str = ""
    password: str = field(default="", repr=False)
    authority: str = ""
    """ca.crt; empty: the system's authorities, where TLS is used at all."""
    certificate: str = ""
    """tls.crt, for brokers that ask their clients for one."""
    private_key: str = field(default="", repr=False)


def access_options(kafka: Kafka, access: KafkaAccess) -> Options:
    """Return where the brokers are, and how to be let in.

    Raises:
        InvalidSpecError: the spec names a Secret of which nothing is given, or a certificate comes without its key.
    """
    if kafka.credentials_secret and not access.username:
        raise InvalidSpecError("spec.topic.kafka.credentialsSecret", "names a Secret, and no username is given")
    if bool(access.certificate) != bool(access.private_key):
        raise InvalidSpecError("spec.topic.kafka.tlsSecret", "tls.crt and tls.key are given together or not at all")
    tls = bool(kafka.tls_secret or access.authority or access.certificate)
    options: Options = {
        "bootstrap.servers": ",".join(kafka.bootstrap_servers),
        "security.protocol": ("sasl_" if access.username else "") + ("ssl" if tls else "plaintext"),
        # With librdkafka 2.16's default (rebootstrap), clients that have seen every broker go try to connect twenty
        # times a second, and an admin client never finds the coordinator of a group again.
        "metadata.recovery.strategy": "none",
        # A broker that is back is found within a second or so, rather than within the ten of the default.
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


def how_asked(options: Options) -> str:
    """Return how brokers are spoken to, for people: the protocol, user and certificate of access_options."""
    protocol = str(options["security.protocol"])
    user = (
        f"as {options['sasl.username']} by {options['sasl.mechanism']}" if "sasl.username" in options else "as nobody"
    )
    certificate = "with" if "ssl.certificate.pem" in options else "without"
    return f"asked over {protocol} {user}" + (f", {certificate} a certificate" if protocol.endswith("ssl") else "")


def fills_producer_options(capacity: int, kept_for: timedelta) -> Options:
    """Return the options of a producer that loses nothing in a short outage and drops the oldest in a long one."""
    return _durable(kept_for) | {
        "linger.ms": min(_LINGER, kept_for / 2) // _MILLISECOND,
        "queue.buffering.max.messages": capacity,
        "queue.buffering.max.kbytes": _MAX_QUEUED_KBYTES,
        "delivery.report.only.error": True,
    }


def dead_letters_producer_options(kept_for: timedelta) -> Options:
    """Return the options of a producer whose caller waits for each record."""
    return _durable(kept_for) | {"linger.ms": 0}


def consumer_options(group: str, *, classic: bool) -> Options:
    """Return the options of a group member: what it stores is committed, and moved to others as little as possible."""
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
        # librdkafka's queue is kept short, for what is in it is fetched again after a pause.
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 256 * 1024,
        "queued.min.messages": 2_000,
        "fetch.queue.backoff.ms": 50,
    }


def reader_options() -> Options:
    """Return the options of a consumer that belongs to no group and is told where partitions end."""
    return {
        # librdkafka wants a name; nothing is ever committed in it.
        "group.id": "embark-dead-letters",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
    }


def _durable(kept_for: timedelta) -> Options:
    return {
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": COMPRESSION,
        "message.timeout.ms": kept_for // _MILLISECOND,
        # CRC-32 of the key, for empty keys too: the partitions that the embedded topics choose.
        "partitioner": "consistent",
    }
