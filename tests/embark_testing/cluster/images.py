"""Builds the project's images, with Docker or Buildah: `make images ARGS=…`.

`--cuda` adds the variant of Retina for GPUs. `--e2e` adds what only the e2e tests run: the sample photographs and
models over HTTP and, with Buildah, a Cassandra and a Kafka. `--save` writes an archive of each into a folder.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.debian_packages import IMAGES, ensure_installed
from embark_testing.cluster.image_bases import JAVA, PYTHON, ensure_base
from embark_testing.cluster.image_builders import Buildah, Builder, Docker, Image, docker_answers
from embark_testing.servers.cassandra_server import reach_options
from embark_testing.servers.maven_jars import FetchError, MissingToolsError, server_jars
from samples.models.cache_folder import default_folder

ROOT: Final = Path(__file__).parents[3]
_OWN: Final = Path(__file__).parent / "images"
_SERVERS: Final = Path(__file__).parents[1] / "servers"
PREFIX: Final = "localhost/embark"
DOCKERFILE: Final = ROOT / "Dockerfile"
PACKAGES: Final = {
    "embark": {"PACKAGE": "embark-server"},
    "kfc": {"PACKAGE": "embark-kfc"},
    "retina": {"PACKAGE": "embark-retina", "EXTRA": "cpu"},
    "operator": {"PACKAGE": "embark-operator"},
}
"""The targets of DOCKERFILE, with the arguments of each."""


def report(line: str) -> None:
    """Print a step."""
    print(line, flush=True)


def image_tag() -> str:
    """Return the git tag of the working tree, or `dev`."""
    command = ["git", "describe", "--tags", "--exact-match", "--dirty=-dev"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "dev"


def build_images(args: argparse.Namespace) -> Iterator[tuple[Builder, Image]]:
    """Build the requested images, and yield each with its builder.

    Raises:
        MissingPackagesError: there is neither Docker nor Buildah.
        CommandFailedError: a build failed.
    """
    builder: Docker | Buildah
    if docker_answers():
        builder, bases = Docker(), {}
    else:
        ensure_installed(IMAGES, os.environ, report)
        builder = Buildah()
        bases = {"BASE_IMAGE": ensure_base(PYTHON, builder, os.environ, report)}
    for target, arguments in PACKAGES.items():
        image = Image(f"{args.prefix}/{target}:{args.tag}", {**bases, **arguments}, target=target)
        yield _build(builder, image, DOCKERFILE, ROOT)
    if args.cuda:
        arguments = {**bases, **PACKAGES["retina"], "EXTRA": "cuda"}
        image = Image(f"{args.prefix}/retina:{args.tag}-cuda", arguments, target="retina")
        yield _build(builder, image, DOCKERFILE, ROOT)
    if args.e2e:
        folders = {"photos": ROOT / "samples" / "photos", "models": default_folder(os.environ) / "models"}
        samples = Image(f"{args.prefix}/samples:{args.tag}", bases, folders)
        yield _build(builder, samples, _OWN / "samples" / "Dockerfile", _OWN / "samples")
        if isinstance(builder, Buildah):
            yield from _build_servers(builder, args.prefix)


def _build_servers(builder: Buildah, prefix: str) -> Iterator[tuple[Builder, Image]]:
    java = {"BASE_IMAGE": ensure_base(JAVA, builder, os.environ, report)}
    for name in ("cassandra", "kafka"):
        jars = server_jars(name, os.environ)
        version = jars.name.split("-")[1]
        arguments = java if name == "kafka" else {**java, "JAVA_OPTIONS": " ".join(reach_options())}
        image = Image(f"{prefix}/{name}:{version}", arguments, {"jars": jars, "servers": _SERVERS})
        yield _build(builder, image, _OWN / name / "Dockerfile", _OWN / name)


def _build(builder: Builder, image: Image, dockerfile: Path, context: Path) -> tuple[Builder, Image]:
    report(f"building {image.reference} …")
    builder.build(image, dockerfile, context)
    return builder, image


def main() -> int:
    """Build the images that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description="Build EmbArk's images with Docker or Buildah.")
    parser.add_argument("--prefix", default=PREFIX, help="what the names begin with (default: %(default)s)")
    parser.add_argument("--tag", default=image_tag(), help="(default: git's tag, or dev; here %(default)s)")
    parser.add_argument("--cuda", action="store_true", help="also Retina with onnxruntime-gpu, tagged TAG-cuda")
    parser.add_argument("--e2e", action="store_true", help="also what the e2e tests run besides")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write an archive of each image into it")
    args = parser.parse_args()
    try:
        for builder, image in build_images(args):
            if args.save:
                args.save.mkdir(parents=True, exist_ok=True)
                name = image.reference.removeprefix(f"{args.prefix}/").replace(":", "-")
                report(f"saving {args.save / name}.tar …")
                builder.save(image.reference, args.save / f"{name}.tar")
    except (ClusterError, FetchError, MissingToolsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
