"""`embark local`: a whole cache in one process."""

import json
import os
import sys
from pathlib import Path

import click

from embark.errors import EmbArkError
from embark.manifest import find_faults, parse_manifest
from embark.processes import wait_for_stop
from embark.settings.caches import tls_server_name
from embark.signals import Stopping, catch_signals
from embark.spec import EmbeddingCache
from embark_local.approvals import confirm
from embark_local.compose import LocalOptions, run_local
from embark_local.folders import DATABASE, data_folder
from embark_local.replacements import replacements
from embark_local.reporters import TerminalReporter
from embark_local.rollout import LocalRollout
from retina.models import model_path, models_folder


@click.command()
@click.option(
    "-f",
    "--file",
    "manifest",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An EmbeddingCache manifest.",
)
@click.option("--port", default=50051, show_default=True, help="gRPC port on 127.0.0.1; 0 picks a free one.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the cache's state. Default: one for each cache."
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of models by digest.")
@click.option(
    "--tls",
    "certificates",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with tls.crt, tls.key and ca.crt for spec.tls; without it calls are in plain text.",
)
@click.option(
    "--oov-vector", type=click.Path(path_type=Path, exists=True), help="JSON list of numbers, for spec.miss.oov Vector."
)
@click.option("--fresh", is_flag=True, help="Delete the state of earlier runs.")
@click.option("--approve", is_flag=True, help="Approve the re-embedding if spec.rollout.approval is Manual.")
def local(
    manifest: Path,
    port: int,
    data: Path | None,
    models: Path | None,
    oov_vector: Path | None,
    *,
    certificates: Path | None,
    fresh: bool,
    approve: bool,
) -> None:
    """Run EmbArk, KFC and Retina in this process, on one SQLite file that survives a restart.

    If the manifest's encoder writes another space than the file holds, lookups read the old space until every key is
    encoded again, then the new one; the old space is kept for spec.rollout.keepPrevious. While it runs and afterwards,
    `embark status`, `plan`, `pause`, `resume`, `approve` and `rollback` work on the folder with --data.

    Ctrl-C or SIGTERM stops it with exit status 0, once the calls in flight are answered.
    """
    cache = _read(manifest)
    if certificates and not cache.spec.tls.secret:
        raise click.UsageError(f"--tls needs a cache whose spec.tls names a Secret; {manifest} names none")
    data = data or data_folder(cache, os.environ)
    models = models or models_folder(os.environ)
    stopping = catch_signals()
    model = model_path(models, cache.spec.encoder.model.digest)
    click.echo(f"{manifest}: replaced for the local mode")
    for sentence in replacements(cache, data / DATABASE, model, certificates):
        click.echo(f"  {sentence}")
    try:
        options = LocalOptions(
            data=data,
            models=models,
            grpc_port=port,
            fresh=fresh,
            oov_vector=_read_vector(oov_vector) if oov_vector else None,
            certificates=certificates,
            approved=approve,
        )
        with run_local(cache, options, reporter=TerminalReporter(terminal=sys.stdout.isatty())) as running:
            click.echo(f"cache {running.cache}, space {running.space}")
            click.echo(f"lookups:   embark lookup --server {running.target} {_tls_options(cache, certificates)}KEY")
            for service, address in running.probes.items():
                click.echo(f"{service + ':':<10} {address}/metrics")
            click.echo(f"rollout:   embark status {cache.metadata.name} --data {data}")
            click.echo("ready; stop with Ctrl-C")
            if running.rollout and running.rollout.awaits_approval:
                _request_approval(running.rollout, f"{cache.metadata.name} --data {data}", stopping)
            wait_for_stop(stopping, running.failure)
            click.echo("draining")
    except (EmbArkError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _request_approval(rollout: LocalRollout, cache: str, stopping: Stopping) -> None:
    command = f"embark approve {cache}"
    if not sys.stdin.isatty():
        click.echo(f"spec.rollout.approval is Manual: to re-embed, run `{command}` or start with --approve")
    elif confirm("spec.rollout.approval is Manual; re-embed now?", sys.stdin, stopping):
        rollout.approve()
    else:
        click.echo(f"not approved; lookups continue to read the old space; `{command}` approves it later")


def _tls_options(cache: EmbeddingCache, certificates: Path | None) -> str:
    if not certificates:
        return ""
    own = "--tls-cert FILE --tls-key FILE " if cache.spec.tls.client_certificates else ""
    return f"--tls-ca {certificates / 'ca.crt'} --tls-server-name {tls_server_name(cache)} {own}"


def _read(manifest: Path) -> EmbeddingCache:
    text = manifest.read_text()
    faults = find_faults(text)
    if faults:
        raise click.ClickException("\n".join(f"{manifest}: {fault}" for fault in faults))
    return parse_manifest(text)


def _read_vector(path: Path) -> tuple[float, ...]:
    try:
        return tuple(float(element) for element in json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise click.ClickException(f"{path}: not a JSON list of numbers: {error}") from error
