"""`embark dead-letters`: list, show and replay the records that could not be filled."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

from embark.backends import Secrets, open_topic
from embark.cli.keys import show_key
from embark.cli.replays import DeadLetter, replay
from embark.cli.text import format_columns
from embark.errors import EmbArkError, UnavailableError
from embark.processes import read_settings
from embark.settings import KfcSettings
from embark.topic import FillTopic

# How long the topic may take to acknowledge the replayed records.
_ACKNOWLEDGE_TIMEOUT: Final = timedelta(seconds=30)
_POLL_SECONDS: Final = 0.05

_settings = click.option(
    "--settings", required=True, type=click.Path(path_type=Path, exists=True), help="Settings file of KFC."
)
_limit = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="Read only the newest dead letters."
)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_credentials = click.option("--topic-credentials", type=_FOLDER, help="Folder with the files username and password.")
_tls = click.option("--topic-tls", type=_FOLDER, help="Folder with the files ca.crt, tls.crt and tls.key.")


def _with_letters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select dead letters; pass the open topic and the letters as the first arguments."""

    @_settings
    @_credentials
    @_tls
    @_limit
    @functools.wraps(command)
    def run(
        settings: Path, topic_credentials: Path | None, topic_tls: Path | None, limit: int, **others: object
    ) -> None:
        secrets = Secrets(topic_credentials=topic_credentials, topic_tls=topic_tls)
        with _open_topic(settings, secrets) as topic:
            letters = [DeadLetter.from_record(record) for record in topic.dead_letters().read(limit)]
            command(topic, letters, **others)

    return run


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and replay the records that could not be filled."""


@dead_letters.command("list")
@_with_letters
def list_letters(_: FillTopic, letters: Sequence[DeadLetter]) -> None:
    """Print the newest dead letters, oldest first."""
    rows = [
        [
            letter.place,
            f"{letter.failed_at:%Y-%m-%dT%H:%M:%SZ}",
            str(letter.attempts),
            show_key(letter.key),
            str(letter.cause),
        ]
        for letter in letters
    ]
    click.echo(format_columns([["PLACE", "FAILED AT", "ATTEMPTS", "KEY", "CAUSE"], *rows]))


@dead_letters.command("show")
@click.argument("place")
@_with_letters
def show_letter(_: FillTopic, letters: Sequence[DeadLetter], place: str) -> None:
    """Print the dead letter at PLACE, as printed by `list`."""
    letter = _select(letters, [place])[0]
    fields = {
        "place": letter.place,
        "key": show_key(letter.key),
        "cause": str(letter.cause),
        "attempts": str(letter.attempts),
        "failed at": letter.failed_at.isoformat(),
        "consumed from": letter.origin,
        "can be replayed": "yes" if letter.replayable else "no: its record is not a FillRequest",
        "record": letter.value.hex(),
    }
    click.echo(format_columns([[name, value] for name, value in fields.items()]))


@dead_letters.command("replay")
@click.option("--all", "everything", is_flag=True, help="Replay every dead letter within --limit.")
@click.argument("places", nargs=-1)
@_with_letters
def replay_letters(
    topic: FillTopic, letters: Sequence[DeadLetter], places: tuple[str, ...], *, everything: bool
) -> None:
    """Request the fills of the dead letters at PLACES again, as printed by `list`."""
    if everything == bool(places):
        raise click.UsageError("pass either PLACES or --all")
    chosen = letters if everything else _select(letters, places)
    producer = topic.producer()
    deadline = time.monotonic() + _ACKNOWLEDGE_TIMEOUT.total_seconds()

    def wait() -> None:
        if time.monotonic() > deadline:
            raise UnavailableError("topic", f"{producer.pending()} records were not acknowledged")
        time.sleep(_POLL_SECONDS)

    try:
        count = replay(chosen, producer, wait)
    finally:
        producer.close(timedelta(0))
    skipped = len(chosen) - count
    click.echo(f"replayed: {count}" + (f"; unreadable, skipped: {skipped}" if skipped else ""))


@contextmanager
def _open_topic(path: Path, secrets: Secrets) -> Iterator[FillTopic]:
    try:
        topic = open_topic(read_settings(path, KfcSettings).topic, secrets)
        try:
            yield topic
        finally:
            topic.close()
    except (EmbArkError, ValidationError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _select(letters: Sequence[DeadLetter], places: Sequence[str]) -> Sequence[DeadLetter]:
    by_place = {letter.place: letter for letter in letters}
    missing = [place for place in places if place not in by_place]
    if missing:
        raise click.ClickException(f"no dead letter at {', '.join(missing)} among the newest {len(letters)}")
    return [by_place[place] for place in places]
