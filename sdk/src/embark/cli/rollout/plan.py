"""`plan`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from embark.manifest import find_faults, parse_manifest
from embark.spec import EmbeddingCache
from embark.spec.cache import NAME_PATTERN
from embark_operator.cli.caches import Place, read_cache
from embark_operator.cli.plan_lines import plan_lines
from embark_operator.cli.plans import plan_of
from embark_operator.cli.sessions import Session, asks_cluster

_NAME: Final = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be planned: a manifest, or the rollout of a cache that is under way."""

    text: str
    cache: EmbeddingCache | None


def _parse(ctx: click.Context, _: click.Parameter, text: str) -> _Asked:
    """Read the manifest before a cluster is asked for anything."""
    path = Path(text)
    if not path.is_file() and _NAME.match(text):
        return _Asked(text, None)
    try:
        manifest = path.read_text(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: not UTF-8 from byte {error.start} on") from None
    faults = find_faults(manifest)
    for fault in faults:
        click.echo(f"{path}: {fault}")
    if faults:
        ctx.exit(1)
    return _Asked(text, parse_manifest(manifest))


@click.command(
    short_help="Say what a manifest would re-embed, and what that takes.",
    help="Compare the EmbeddingCache manifest FILE with the cache in the cluster, and say whether its keys would be "
    "encoded again: how many, how long, at what cost. Nothing is changed. With the NAME of a cache in place of a file, "
    "say the same of the rollout that is under way.\n\n"
    "Ends with 0 whether or not anything changes, and with 1 when the manifest is faulty or the cache cannot be read.",
)
@click.argument("asked", metavar="FILE|NAME", callback=_parse)
@asks_cluster
def plan(session: Session, asked: _Asked) -> None:
    """Tell what would happen."""
    place = session.place(asked.text) if asked.cache is None else _place(session, asked.cache, asked.text)
    live = read_cache(session.caches, place).cache
    wanted = live if asked.cache is None else asked.cache.model_copy(update={"metadata": live.metadata})
    before, after = live.spec.encoder.modality, wanted.spec.encoder.modality
    if before is not after:
        message = f"{asked.text}: spec.encoder.modality: is immutable, and {before} in the cluster; make another cache"
        raise click.ClickException(message)
    click.echo("\n".join(plan_lines(plan_of(live, wanted), wanted)))


def _place(session: Session, wanted: EmbeddingCache, file: str) -> Place:
    """Return where the manifest's cache is; as with kubectl, the command line must not say another namespace."""
    said = wanted.metadata.namespace if "namespace" in wanted.metadata.model_fields_set else session.namespace
    if session.named and said != session.namespace:
        raise click.ClickException(f"{file}: metadata.namespace is {said}, and --namespace is {session.namespace}")
    return Place(said, wanted.metadata.name)
