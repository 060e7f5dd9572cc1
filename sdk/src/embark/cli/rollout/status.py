"""`status`."""

import json
import sys
from typing import Final

import click

from embark.cli.rollout.outcome import RolloutOutcome, find_outcome
from embark.cli.rollout.progress import ProgressSample, add_sample, estimate_rate, take_sample
from embark.cli.rollout.screens import JsonScreen, LineScreen, Screen, TerminalScreen
from embark.cli.rollout.session import RolloutSession, with_session
from embark.cli.rollout.status_lines import format_status, status_to_json
from embark.cli.text import one_line
from embark.errors import UnavailableError
from embark.resources import CacheRef

_POLL_SECONDS: Final = 1.0


@click.command(
    short_help="Show the rollout of a cache.",
    help="Show the rollout of the cache NAME: its phase, its spaces, and the progress of the re-embedding.\n\n"
    "With --watch, keep showing it until the rollout has ended, also through outages of the API server. Exit status: "
    "0, or 1 with the reason if the rollout has halted or the spec is not accepted.",
)
@click.argument("name")
@click.option("-w", "--watch", is_flag=True, help="Watch until the rollout has ended.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@with_session
def status(session: RolloutSession, name: str, *, watch: bool, output: str) -> None:
    """Print the status."""
    ref = session.ref(name)
    if watch:
        outcome = _watch(session, ref, _screen(output))
        if outcome.problem:
            raise click.ClickException(f"{ref}: {outcome.problem}")
        return
    cache = session.read(ref).cache
    now = session.now()
    rate = estimate_rate(cache, add_sample((), take_sample(cache, now)))
    if output == "json":
        click.echo(json.dumps(status_to_json(cache, rate), indent=2))
    else:
        click.echo("\n".join(format_status(cache, rate, now)))


def _watch(session: RolloutSession, ref: CacheRef, screen: Screen) -> RolloutOutcome:
    """Show every status until the rollout has ended, and return its outcome."""
    samples: tuple[ProgressSample, ...] = ()
    connected = False
    while True:
        try:
            cache = session.read(ref).cache
        except UnavailableError as error:
            if not connected:
                raise  # the address may be wrong
            screen.show_problem(f"status not available: {one_line(error)}; retrying")
        else:
            connected = True
            now = session.now()
            samples = add_sample(samples, take_sample(cache, now))
            screen.show(cache, estimate_rate(cache, samples), now)
            outcome = find_outcome(cache)
            if outcome:
                return outcome
        session.wait(_POLL_SECONDS)


def _screen(output: str) -> Screen:
    if output == "json":
        return JsonScreen()
    return TerminalScreen() if sys.stdout.isatty() else LineScreen()
