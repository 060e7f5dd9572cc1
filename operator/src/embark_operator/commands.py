"""The command line of the operator's process; the chart writes it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from embark_operator.options import Images, Options


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    options: Options
    lease_namespace: str
    lease_name: str
    host: str
    probes_port: int


def parse_command(arguments: Sequence[str] | None = None) -> Arguments:
    """Return what the command line says; ends the process with a message where it says something wrong."""
    parser = argparse.ArgumentParser(prog="embark_operator", description="Reconcile EmbeddingCache resources.")
    for service in ("embark", "kfc", "retina"):
        parser.add_argument(f"--{service}-image", required=True, metavar="IMAGE", help=f"image of {service}'s pods")
    parser.add_argument("--retina-cuda-image", default="", metavar="IMAGE", help="for caches with provider cuda")
    parser.add_argument("--pull-policy", default="IfNotPresent", choices=("Always", "IfNotPresent", "Never"))
    parser.add_argument("--pull-secret", action="append", default=[], metavar="NAME", help="may be given again")
    parser.add_argument(
        "--namespace", action="append", default=[], help="reconcile this namespace; may be given again; default: all"
    )
    parser.add_argument("--resync-seconds", type=_positive, default=60, help="default: %(default)s")
    parser.add_argument("--lease-namespace", default="default", help="the operator's own, default: %(default)s")
    parser.add_argument("--lease-name", default="embark-operator", help="default: %(default)s")
    parser.add_argument("--host", default="0.0.0.0", help="address of the probes, default: %(default)s")
    parser.add_argument(
        "--probes-port", type=int, default=8080, help="/metrics, /healthz, /readyz; default: %(default)s"
    )
    asked = parser.parse_args(arguments)
    images = Images(
        embark=asked.embark_image,
        kfc=asked.kfc_image,
        retina=asked.retina_image,
        retina_cuda=asked.retina_cuda_image,
        pull_policy=asked.pull_policy,
        pull_secrets=tuple(asked.pull_secret),
    )
    options = Options(
        images,
        tuple(asked.namespace),
        timedelta(seconds=asked.resync_seconds),
        namespace=asked.lease_namespace,
    )
    return Arguments(options, asked.lease_namespace, asked.lease_name, asked.host, asked.probes_port)


def _positive(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return seconds
