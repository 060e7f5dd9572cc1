"""`embark dead-letters`: list, show and replay the records that could not be filled; joins the `embark` command."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click
from pydantic import ValidationError

from embark.backends import Secrets, open_topic
from embark.cli.columns import format_columns
from embark.cli.keys import show_key
from embark.errors import EmbArkError, UnavailableError
from embark.processes import read_settings
from embark.settings import KfcSettings
from embark.topic import FillTopic
from kfc.fill.replays import PATIENCE, DeadLetter, replay

_STEP_SECONDS = 0.05

_settings = click.option(
    "--settings", required=True, type=click.Path(path_type=Path, exists=True), help="The settings file of KFC."
)
_limit = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="The newest dead letters that are read."
)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_credentials = click.option("--topic-credentials", type=_FOLDER, help="Folder with username and password.")
_tls = click.option("--topic-tls", type=_FOLDER, help="Folder with ca.crt, tls.crt and tls.key.")


def _reads_letters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the dead letters are, and hand it the open topic instead of them."""

    @_settings
    @_credentials
    @_tls
    @_limit
    @functools.wraps(command)
    def run(
        settings: Path, topic_credentials: Path | None, topic_tls: Path | None, limit: int, **others: object
    ) -> None:
        secrets = Secrets(topic_credentials=topic_credentials, topic_tls=topic_tls)
        with _topic(settings, secrets) as topic:
            letters = [DeadLetter.of(record) for record in topic.dead_letters().read(limit)]
            command(topic, letters, **others)

    return run


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at the records that could not be filled, and ask for them again."""


@dead_letters.command("list")
@_reads_letters
def list_letters(_: FillTopic, letters: Sequence[DeadLetter]) -> None:
    """Print the newest dead letters, the oldest of them first."""
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
@_reads_letters
def show_letter(_: FillTopic, letters: Sequence[DeadLetter], place: str) -> None:
    """Print one dead letter whole; PLACE is what `list` prints."""
    letter = _pick(letters, [place])[0]
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
@click.option("--all", "everything", is_flag=True, help="Every dead letter within --limit.")
@click.argument("places", nargs=-1)
@_reads_letters
def replay_letters(
    topic: FillTopic, letters: Sequence[DeadLetter], places: tuple[str, ...], *, everything: bool
) -> None:
    """Ask for the records of dead letters again; PLACES are what `list` prints."""
    if everything == bool(places):
        raise click.UsageError("give either PLACES or --all")
    chosen = letters if everything else _pick(letters, places)
    producer = topic.producer()
    deadline = time.monotonic() + PATIENCE.total_seconds()

    def wait() -> None:
        if time.monotonic() > deadline:
            raise UnavailableError("topic", f"{producer.pending()} records are not acknowledged")
        time.sleep(_STEP_SECONDS)

    try:
        count = replay(chosen, producer, wait)
    finally:
        producer.close(timedelta(0))
    skipped = len(chosen) - count
    click.echo(f"asked again: {count}" + (f"; cannot be read, left alone: {skipped}" if skipped else ""))


@contextmanager
def _topic(path: Path, secrets: Secrets) -> Iterator[FillTopic]:
    try:
        topic = open_topic(read_settings(path, KfcSettings).topic, secrets)
        try:
            yield topic
        finally:
            topic.close()
    except (EmbArkError, ValidationError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _pick(letters: Sequence[DeadLetter], places: Sequence[str]) -> Sequence[DeadLetter]:
    by_place = {letter.place: letter for letter in letters}
    missing = [place for place in places if place not in by_place]
    if missing:
        raise click.ClickException(f"no dead letter at {', '.join(missing)} among the newest {len(letters)}")
    return [by_place[place] for place in places]
