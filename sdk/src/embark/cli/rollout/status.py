"""`status`."""

import json
import sys
from typing import Final

import click

from embark.errors import UnavailableError
from embark_operator.cli.caches import Place, read_cache
from embark_operator.cli.endings import Ending, ending_of
from embark_operator.cli.progress import Reading, pace_of, read_progress, remember
from embark_operator.cli.screens import JsonScreen, LineScreen, Screen, TerminalScreen
from embark_operator.cli.sessions import Session, asks_cluster, one_line
from embark_operator.cli.views import json_of, lines_of

_LOOK_SECONDS: Final = 1.0


@click.command(
    short_help="Say where the rollout of a cache is.",
    help="Say where the rollout of the cache NAME is: its phase, its spaces, how far the re-embedding is.\n\n"
    "With --watch, until the rollout has ended, also while the API server does not answer: then ends with 0, or with 1 "
    "and the reason when it has halted or the spec is not accepted.",
)
@click.argument("name")
@click.option("-w", "--watch", is_flag=True, help="Go on until the rollout has ended.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@asks_cluster
def status(session: Session, name: str, *, watch: bool, output: str) -> None:
    """Print the status."""
    place = session.place(name)
    if watch:
        ending = _watch(session, place, _screen(output))
        if ending.fault:
            raise click.ClickException(f"{place}: {ending.fault}")
        return
    cache = read_cache(session.caches, place).cache
    now = session.now()
    pace = pace_of(cache, remember((), read_progress(cache, now)))
    told = json.dumps(json_of(cache, pace), indent=2) if output == "json" else "\n".join(lines_of(cache, pace, now))
    click.echo(told)


def _watch(session: Session, place: Place, screen: Screen) -> Ending:
    """Show every status until the rollout has ended, and return how."""
    readings: tuple[Reading, ...] = ()
    seen = False
    while True:
        try:
            cache = read_cache(session.caches, place).cache
        except UnavailableError as error:
            if not seen:
                raise  # perhaps there is no such cluster at all
            screen.tell(f"no news: {one_line(error)}; asks again")
        else:
            seen = True
            now = session.now()
            readings = remember(readings, read_progress(cache, now))
            screen.show(cache, pace_of(cache, readings), now)
            ending = ending_of(cache)
            if ending:
                return ending
        session.wait(_LOOK_SECONDS)


def _screen(output: str) -> Screen:
    if output == "json":
        return JsonScreen()
    return TerminalScreen() if sys.stdout.isatty() else LineScreen()
