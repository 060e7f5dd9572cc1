"""`plan`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from embark.cli.rollout.plan_lines import format_plan
from embark.cli.rollout.rollout_plan import plan_rollout
from embark.cli.rollout.session import ClusterTarget, RolloutSession, with_session
from embark.manifest import find_faults, parse_manifest
from embark.resources import CacheRef
from embark.spec import EmbeddingCache
from embark.spec.cache import NAME_PATTERN

_NAME: Final = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class _PlanArgument:
    """What to plan: a manifest, or the rollout in progress of a cache."""

    text: str
    cache: EmbeddingCache | None


def _parse(ctx: click.Context, _: click.Parameter, text: str) -> _PlanArgument:
    """Read the manifest before any cluster or folder is opened."""
    path = Path(text)
    if not path.is_file() and _NAME.match(text):
        return _PlanArgument(text, None)
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
    return _PlanArgument(text, parse_manifest(manifest))


@click.command(
    short_help="Show what a manifest would re-embed, and what that takes.",
    help="Compare the EmbeddingCache manifest FILE with the running cache, and show whether its keys would be encoded "
    "again: how many, how long it takes, and at what cost. Nothing is changed. Given the NAME of a cache instead of a "
    "file, show the same for the rollout in progress.\n\n"
    "Exit status: 0 whether or not anything would change, 1 if the manifest is invalid or the cache cannot be read.",
)
@click.argument("subject", metavar="FILE|NAME", callback=_parse)
@with_session
def plan(session: RolloutSession, subject: _PlanArgument) -> None:
    """Print the plan."""
    ref = session.ref(subject.text) if subject.cache is None else _find_ref(session, subject.cache, subject.text)
    live = session.read(ref).cache
    wanted = live if subject.cache is None else subject.cache.model_copy(update={"metadata": live.metadata})
    before, after = live.spec.encoder.modality, wanted.spec.encoder.modality
    if before is not after:
        raise click.ClickException(
            f"{subject.text}: spec.encoder.modality is immutable, and {before} in the running cache; "
            f"create another cache"
        )
    click.echo("\n".join(format_plan(plan_rollout(live, wanted), wanted, session.command_line("approve", ref))))


def _find_ref(session: RolloutSession, wanted: EmbeddingCache, file: str) -> CacheRef:
    """Return the manifest's cache; as with kubectl, --namespace must not contradict the manifest."""
    stated = "namespace" in wanted.metadata.model_fields_set
    namespace = wanted.metadata.namespace if stated else session.namespace
    target = session.target
    if isinstance(target, ClusterTarget) and target.namespace and namespace != target.namespace:
        raise click.ClickException(f"{file}: metadata.namespace is {namespace}, but --namespace is {target.namespace}")
    return CacheRef(namespace, wanted.metadata.name)
