"""Builds and saves images with Docker, or with Buildah where Docker is not installed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from embark_testing.cluster.commands import run_for_output, succeeds

# Where Debian keeps the certificates it trusts, and where pip and uv may be pointed at another index: what the machine
# has set up for itself holds in its builds too.
_MACHINE: Final = ("/etc/ssl/certs", "/etc/pip.conf", "/etc/uv/uv.toml")


@dataclass(frozen=True)
class Image:
    """An image by its name, with the arguments and the further folders that its Dockerfile names."""

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
    """Something that builds images from Dockerfiles."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build the image and keep it in the builder's storage."""

    def save(self, reference: str, archive: Path) -> None:
        """Write an image of the storage as an archive that containerd and Docker load."""


class Docker:
    """Docker, whose daemon answers."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build with BuildKit."""
        run_for_output(["docker", "build", "--quiet", *image.options, f"--file={dockerfile}", str(context)])

    def save(self, reference: str, archive: Path) -> None:
        """Write Docker's archive."""
        run_for_output(["docker", "save", f"--output={archive}", reference])


class Buildah:
    """Buildah, which needs no daemon; as root, for its builds run in a chroot."""

    def build(self, image: Image, dockerfile: Path, context: Path) -> None:
        """Build in the machine's network, with the machine's certificates and settings of pip and uv."""
        volumes = [f"--volume={path}:{path}:ro" for path in _MACHINE if Path(path).exists()]
        how = ["--quiet", "--layers", "--isolation=chroot", "--network=host", *volumes]
        run_for_output(["buildah", "build", *how, *image.options, f"--file={dockerfile}", str(context)])

    def save(self, reference: str, archive: Path) -> None:
        """Write Docker's form of archive: OCI's would be compressed, which takes longer than all the rest."""
        archive.unlink(missing_ok=True)
        run_for_output(["buildah", "push", "--quiet", reference, f"docker-archive:{archive}:{reference}"])

    def holds(self, reference: str) -> bool:
        """Tell whether the storage has the image."""
        return succeeds("buildah", "inspect", "--type=image", reference)


def docker_answers() -> bool:
    """Tell whether there is a Docker with a daemon that answers."""
    return shutil.which("docker") is not None and succeeds("docker", "info", "--format={{.ServerVersion}}")
