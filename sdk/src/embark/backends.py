"""Opens the Cassandra store and the Kafka topic of a process from its settings and mounted Secrets."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel

from embark.clock import now
from embark.processes import exit_status, log_json, read_settings, settings_parser
from embark.settings import StoreSettings, TopicSettings
from embark.store.cassandra.access import Credentials, tls_context
from embark.store.cassandra.adapter import CassandraStore
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.options import KafkaAccess

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The folders at which Secrets are mounted; None if the cache names no Secret."""

    store_credentials: Path | None = None
    store_tls: Path | None = None
    topic_credentials: Path | None = None
    topic_tls: Path | None = None

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> Self:
        """Return the folders that the options of add_secret_options name."""
        return cls(args.store_credentials, args.store_tls, args.topic_credentials, args.topic_tls)


def run_command(program: str, description: str, form: type[S], run: Callable[[S, Secrets], None]) -> int:
    """Run the entry point of a process on Cassandra and Kafka; return its exit status.

    Parse the command line (--settings and the folders of Secrets), log JSON, read the settings, call `run`.
    """
    parser = settings_parser(program, description)
    add_secret_options(parser)
    args = parser.parse_args()
    log_json()
    return exit_status(lambda: run(read_settings(args.settings, form), Secrets.from_args(args)))


def add_secret_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the folders of Secrets."""
    for server in ("store", "topic"):
        parser.add_argument(f"--{server}-credentials", type=Path, help="folder with username and password")
        parser.add_argument(f"--{server}-tls", type=Path, help="folder with ca.crt, tls.crt and tls.key")


def open_store(settings: StoreSettings, secrets: Secrets) -> CassandraStore:
    """Return the store, which connects at its first call.

    Raises:
        OSError: a file of a Secret is missing.
    """
    credentials = partial(_read_credentials, secrets.store_credentials) if secrets.store_credentials else None
    if credentials:
        credentials()  # reports a missing file now instead of at the first call
    tls = tls_context(secrets.store_tls) if secrets.store_tls else None
    return CassandraStore(settings, now, credentials, tls)


def topic_access(secrets: Secrets) -> KafkaAccess:
    """Return the contents of the topic's Secrets.

    Raises:
        OSError: a file of a Secret is missing.
    """
    credentials, tls = secrets.topic_credentials, secrets.topic_tls
    return KafkaAccess(
        username=_read_text(credentials / "username") if credentials else "",
        password=_read_text(credentials / "password") if credentials else "",
        authority=_read_text(tls / "ca.crt") if tls else "",
        certificate=_read_text(tls / "tls.crt") if tls and (tls / "tls.crt").exists() else "",
        private_key=_read_text(tls / "tls.key") if tls and (tls / "tls.key").exists() else "",
    )


def open_topic(settings: TopicSettings, secrets: Secrets) -> KafkaTopic:
    """Return the topic; its producers and consumers connect in the background.

    Raises:
        InvalidSpecError: the settings do not match the contents of the Secrets.
    """
    return KafkaTopic(settings, topic_access(secrets))


def _read_credentials(folder: Path) -> Credentials:
    return Credentials(_read_text(folder / "username"), _read_text(folder / "password"))


def _read_text(path: Path) -> str:
    # Secrets created with `echo` end with a newline that is not part of them.
    return path.read_text().rstrip("\n")
