"""`embark local`: a whole cache in one process, for trying out and for tests; joins the `embark` command."""

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
from embark_local.compose import run_local
from embark_local.folders import DATABASE, data_folder
from embark_local.replacements import replacements
from embark_local.rollouts import LocalRollout
from embark_local.viewers import Person
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
@click.option("--port", default=50051, show_default=True, help="gRPC port on 127.0.0.1; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the rows and fills; one a cache by default.")
@click.option("--models", type=click.Path(path_type=Path), help="Folder of models by digest.")
@click.option(
    "--tls",
    "certificates",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with tls.crt, tls.key and ca.crt, for what spec.tls says; without it calls are in plain text.",
)
@click.option("--oov-vector", type=click.Path(path_type=Path, exists=True), help="JSON list, for miss.oov Vector.")
@click.option("--fresh", is_flag=True, help="Forget what an earlier run kept.")
@click.option("--approve", is_flag=True, help="Approve the re-embedding, where spec.rollout.approval is Manual.")
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

    Where the manifest's encoder writes another space than the file holds, look-ups read the old space while everything
    is encoded again, and then the new one; the old one is kept for spec.rollout.keepPrevious.

    Ends on Ctrl-C or SIGTERM with exit status 0, once the calls in flight are answered.
    """
    cache = _read(manifest)
    if certificates and not cache.spec.tls.secret:
        raise click.UsageError(f"--tls is for a cache whose spec.tls names a Secret; {manifest} names none")
    data = data or data_folder(cache, os.environ)
    models = models or models_folder(os.environ)
    stopping = catch_signals()
    model = model_path(models, cache.spec.encoder.model.digest)
    click.echo(f"{manifest}: replaced for the local mode")
    for sentence in replacements(cache, data / DATABASE, model, certificates):
        click.echo(f"  {sentence}")
    try:
        vector = _read_vector(oov_vector) if oov_vector else None
        with run_local(
            cache,
            data=data,
            models=models,
            grpc_port=port,
            fresh=fresh,
            oov_vector=vector,
            certificates=certificates,
            approved=approve,
            viewer=Person(terminal=sys.stdout.isatty()),
        ) as running:
            click.echo(f"cache {running.cache}, space {running.space}")
            click.echo(f"look-ups:  embark lookup --server {running.target} {_tls_options(cache, certificates)}KEY")
            for service, address in running.probes.items():
                click.echo(f"{service + ':':<10} {address}/metrics")
            click.echo("ready; stop with Ctrl-C")
            if running.rollout and running.rollout.awaits_approval:
                _ask(running.rollout, stopping)
            wait_for_stop(stopping, running.failure)
            click.echo("draining")
    except (EmbArkError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _ask(rollout: LocalRollout, stopping: Stopping) -> None:
    if not sys.stdin.isatty():
        click.echo("spec.rollout.approval is Manual: to re-embed, stop and start again with --approve")
    elif confirm("spec.rollout.approval is Manual; re-embed now?", sys.stdin, stopping):
        rollout.approve()
    else:
        click.echo("not approved; look-ups go on as they are")


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
