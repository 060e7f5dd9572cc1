"""Builds and saves images with Docker, or with Buildah where Docker is not installed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from embark_testing.cluster.commands import run_for_output, succeeds

# Debian's trusted certificates, and settings that may point pip and uv at another index: the machine's own settings
# apply to its builds too.
_MACHINE: Final = ("/etc/ssl/certs", "/etc/pip.conf", "/etc/uv/uv.toml")


@dataclass(frozen=True)
class Image:
    """An image by its name, with the build arguments and additional contexts of its Dockerfile."""

    reference: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    target: str = ""

    @property
    def options(self) -> list[str]:
        """The options that Docker and Buildah share."""
        arguments = [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        folders = [f"--build-context={name}={folder}" for name, folder in self.folders.items()]
        target = [f"--target={self.target}"] if self.target else []
        return [*target, *arguments, *folders, f"--tag={self.reference}"]


class Builder(Protocol):
    """Builds images from Dockerfiles."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build the image and keep it in the builder's storage."""

    def save(self, reference: str, archive: Path) -> None:
        """Write an image of the storage as an archive that containerd and Docker load."""


class Docker:
    """Docker, with a running daemon."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build with BuildKit."""
        run_for_output(["docker", "build", "--quiet", *image.options, f"--file={dockerfile}", str(context)])

    def save(self, reference: str, archive: Path) -> None:
        """Write Docker's archive."""
        run_for_output(["docker", "save", f"--output={archive}", reference])


class Buildah:
    """Buildah, which needs no daemon, but root: its builds run in a chroot."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build in the machine's network, with the machine's certificates and settings of pip and uv."""
        volumes = [f"--volume={path}:{path}:ro" for path in _MACHINE if Path(path).exists()]
        how = ["--quiet", "--layers", "--isolation=chroot", "--network=host", *volumes]
        run_for_output(["buildah", "build", *how, *image.options, f"--file={dockerfile}", str(context)])

    def save(self, reference: str, archive: Path) -> None:
        """Write an archive in Docker's format: an OCI archive would be compressed, which takes longer than the rest."""
        archive.unlink(missing_ok=True)
        run_for_output(["buildah", "push", "--quiet", reference, f"docker-archive:{archive}:{reference}"])

    def holds(self, reference: str) -> bool:
        """Return whether the storage has the image."""
        return succeeds("buildah", "inspect", "--type=image", reference)


def docker_answers() -> bool:
    """Return whether Docker is installed and its daemon answers."""
    return shutil.which("docker") is not None and succeeds("docker", "info", "--format={{.ServerVersion}}")
