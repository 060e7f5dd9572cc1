"""The commands that steer a rollout: approve, pause, resume, rollback."""

from collections.abc import Callable
from typing import Final

import click

from embark_operator.cli import steps
from embark_operator.cli.caches import StoredCache, read_cache
from embark_operator.cli.sessions import Session, asks_cluster
from embark_operator.cluster.kinds import CACHE
from embark_operator.cluster.protocol import ConflictError

# The operator writes the status every other second; a read and a write that follow each other take far less.
_ATTEMPTS: Final = 10


@click.command(
    short_help="Begin the rollout that waits for an approval.",
    help="Approve the space that the cache NAME, of spec.rollout.approval Manual, waits to re-embed to. What that "
    "takes is told by `plan NAME`.",
)
@click.argument("name")
@asks_cluster
def approve(session: Session, name: str) -> None:
    """Approve the candidate."""
    _carry_out(session, name, steps.approve)


@click.command(
    short_help="Let the re-embedding wait.",
    help="Let the re-embedding of the cache NAME wait, by spec.rollout.paused. Look-ups and fills go on.",
)
@click.argument("name")
@asks_cluster
def pause(session: Session, name: str) -> None:
    """Pause the rollout."""
    _carry_out(session, name, steps.pause)


@click.command(
    short_help="Let a paused or halted rollout go on.",
    help="Let the rollout of the cache NAME go on: one that is paused, or one that has halted and whose fault is not "
    "in the spec. A fault in the spec is mended there, and the rollout goes on by itself.",
)
@click.argument("name")
@asks_cluster
def resume(session: Session, name: str) -> None:
    """Resume the rollout."""
    _carry_out(session, name, lambda stored: steps.resume(stored, session.now()))


@click.command(
    short_help="Go back to the space before the rollout.",
    help="Set spec.encoder of the cache NAME back to what it was before its rollout. Before the switch, the space that "
    "was being filled is dropped; after it, and while the previous space is kept, look-ups move back at once.\n\n"
    "Where a GitOps tool holds the spec, it would set it forward again: go back there instead.",
)
@click.argument("name")
@asks_cluster
def rollback(session: Session, name: str) -> None:
    """Roll back."""
    _carry_out(session, name, steps.roll_back)


def _carry_out(session: Session, name: str, decide: Callable[[StoredCache], steps.Step]) -> None:
    place = session.place(name)
    for _ in range(_ATTEMPTS):
        step = decide(read_cache(session.caches, place))
        try:
            if step.change is not None:
                session.caches.merge(CACHE, *place, step.change)
        except ConflictError:
            continue
        click.echo(step.said)
        return
    raise click.ClickException(f"{place}: somebody else changed it {_ATTEMPTS} times meanwhile; try again")
