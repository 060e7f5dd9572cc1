"""The command line of the operator's process, as the chart writes it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from embark_operator.options import Images, Options


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line."""

    options: Options
    lease_namespace: str
    lease_name: str
    host: str
    probes_port: int


def parse_command(arguments: Sequence[str] | None = None) -> Arguments:
    """Parse the command line; exits with a message if it is invalid."""
    parser = argparse.ArgumentParser(prog="embark_operator", description="Reconcile EmbeddingCache resources.")
    for service in ("embark", "kfc", "retina"):
        parser.add_argument(f"--{service}-image", required=True, metavar="IMAGE", help=f"image of {service}'s pods")
    parser.add_argument("--retina-cuda-image", default="", metavar="IMAGE", help="for caches with provider cuda")
    parser.add_argument("--pull-policy", default="IfNotPresent", choices=("Always", "IfNotPresent", "Never"))
    parser.add_argument(
        "--pull-secret", action="append", default=[], metavar="NAME", help="pull secret of the images; repeatable"
    )
    parser.add_argument(
        "--namespace", action="append", default=[], help="namespace to reconcile; repeatable, default: all"
    )
    parser.add_argument(
        "--resync-seconds", type=_positive, default=60, help="how often to reconcile every cache, default: %(default)s"
    )
    parser.add_argument("--lease-namespace", default="default", help="the operator's namespace, default: %(default)s")
    parser.add_argument("--lease-name", default="embark-operator", help="default: %(default)s")
    parser.add_argument("--host", default="0.0.0.0", help="address of the probes, default: %(default)s")
    parser.add_argument(
        "--probes-port", type=int, default=8080, help="port of /metrics, /healthz, /readyz; default: %(default)s"
    )
    args = parser.parse_args(arguments)
    images = Images(
        embark=args.embark_image,
        kfc=args.kfc_image,
        retina=args.retina_image,
        retina_cuda=args.retina_cuda_image,
        pull_policy=args.pull_policy,
        pull_secrets=tuple(args.pull_secret),
    )
    options = Options(
        images,
        tuple(args.namespace),
        timedelta(seconds=args.resync_seconds),
        namespace=args.lease_namespace,
    )
    return Arguments(options, args.lease_namespace, args.lease_name, args.host, args.probes_port)


def _positive(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is not greater than 0")
    return seconds
