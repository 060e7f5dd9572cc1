"""Base images without a registry: a minimal Debian with some packages, for Buildah."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from embark_testing.cluster.commands import run_for_output
from embark_testing.cluster.image_builders import Buildah, Image
from samples.models.cache_folder import default_folder

_SUITE: Final = "bookworm"


@dataclass(frozen=True)
class Base:
    """A Debian with `packages`."""

    name: str
    packages: tuple[str, ...]

    @property
    def tag(self) -> str:
        """A hash that identifies its contents."""
        return hashlib.sha256(" ".join((_SUITE, *self.packages)).encode()).hexdigest()[:12]


# scripts/uv installs uv with pip.
PYTHON: Final = Base("python-base", ("python3-pip", "ca-certificates"))
JAVA: Final = Base("java-base", ("openjdk-17-jre-headless",))


def ensure_base(base: Base, builder: Buildah, environment: Mapping[str, str], report: Callable[[str], None]) -> str:
    """Return the name of the base image in Buildah's storage; create it if it does not exist.

    Raises:
        CommandFailedError: mmdebstrap or Buildah failed.
    """
    image = Image(f"localhost/embark/{base.name}:{base.tag}")
    if not builder.holds(image.reference):
        archive = _ensure_archive(base, default_folder(environment) / "images", report)
        with tempfile.TemporaryDirectory() as folder:
            dockerfile = Path(folder) / "Dockerfile"
            dockerfile.write_text(f"FROM scratch\nADD {archive.name} /\n")
            builder.build(image, dockerfile, archive.parent)
    return image.reference


def _ensure_archive(base: Base, folder: Path, report: Callable[[str], None]) -> Path:
    archive = folder / f"{base.name}-{base.tag}.tar"
    if not archive.exists():
        report(f"{base.name}: a Debian {_SUITE} with {' '.join(base.packages)} …")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{base.name}-") as fresh:
            made = Path(fresh) / "base.tar"
            command = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                "--dpkgopt=force-unsafe-io",
                f"--include={','.join(base.packages)}",
                _SUITE,
            ]
            run_for_output([*command, str(made)])
            made.replace(archive)
    return archive
