"""The commands that steer a rollout: approve, pause, resume, rollback."""

from collections.abc import Callable
from typing import Final

import click

from embark.cli.rollout import steps
from embark.cli.rollout.session import RolloutSession, with_session
from embark.resources import CacheConflictError, StoredCache

# The status is written every other second; a read and the write after it take far less.
_ATTEMPTS: Final = 10


@click.command(
    short_help="Approve the rollout that waits for approval.",
    help="Approve re-embedding the cache NAME for the space that waits for it (spec.rollout.approval: Manual). "
    "`plan NAME` shows what it takes.",
)
@click.argument("name")
@with_session
def approve(session: RolloutSession, name: str) -> None:
    """Approve the candidate."""
    _run_step(session, name, steps.approve)


@click.command(
    short_help="Pause the re-embedding.",
    help="Pause the re-embedding of the cache NAME: set spec.rollout.paused. Lookups and fills continue.",
)
@click.argument("name")
@with_session
def pause(session: RolloutSession, name: str) -> None:
    """Pause the rollout."""
    _run_step(session, name, steps.pause)


@click.command(
    short_help="Continue a paused or halted rollout.",
    help="Continue the rollout of the cache NAME after a pause, or after it halted for a reason outside the spec. "
    "To continue after an error in the spec, correct the spec: the rollout then continues by itself.",
)
@click.argument("name")
@with_session
def resume(session: RolloutSession, name: str) -> None:
    """Resume the rollout."""
    _run_step(session, name, lambda stored: steps.resume(stored, session.now()))


@click.command(
    short_help="Go back to the space before the rollout.",
    help="Set spec.encoder of the cache NAME back to what it was before the rollout. Before the switch, this drops the "
    "candidate space. After it, while the previous space is kept, lookups move back at once.\n\n"
    "If a GitOps tool manages the spec, revert it there instead: the tool would undo this change.",
)
@click.argument("name")
@with_session
def rollback(session: RolloutSession, name: str) -> None:
    """Roll back."""
    _run_step(session, name, steps.roll_back)


def _run_step(session: RolloutSession, name: str, decide: Callable[[StoredCache], steps.Step]) -> None:
    ref = session.ref(name)
    for _ in range(_ATTEMPTS):
        step = decide(session.read(ref))
        try:
            if step.change is not None:
                session.resources.merge(ref, step.change)
        except CacheConflictError:
            continue
        click.echo(step.message)
        return
    raise click.ClickException(f"{ref}: conflicting updates ({_ATTEMPTS} attempts); try again")
