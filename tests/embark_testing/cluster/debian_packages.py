"""The Debian packages of the cluster and of the images without Docker: which are missing, and their installation."""

import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from embark_testing.cluster.commands import ClusterError, run_for_output

# The program that is used of each package. Looking for programs, not packages, accepts other ways of installing them.
CLUSTER: Final = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "iptables": "iptables",
    "ebtables": "ebtables",
    "socat": "socat",
    "catatonit": "catatonit",
    "iproute2": "ip",
    "openssl": "openssl",
}
IMAGES: Final = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}


class MissingPackagesError(ClusterError):
    """Programs are missing; the message has the command that installs them."""


def missing(packages: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """Return the packages whose program is not installed."""
    # Debian keeps administrators' tools there, which is not on every user's PATH.
    path = f"{environment.get('PATH', '')}:/usr/sbin:/sbin"
    return [package for package, program in packages.items() if shutil.which(program, path=path) is None]


def ensure_installed(
    packages: Mapping[str, str], environment: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """Install the missing packages where that is allowed: as root, in CI or with EMBARK_INSTALL=1.

    Raises:
        MissingPackagesError: a package is missing and may not be installed.
        CommandFailedError: apt-get could not install it.
    """
    absent = missing(packages, environment)
    if not absent:
        return
    allowed = environment.get("CI") or environment.get("EMBARK_INSTALL")
    if not allowed or os.geteuid():
        raise MissingPackagesError(
            f"{', '.join(absent)}: not installed. Install with `apt-get install --no-install-recommends "
            f"{' '.join(absent)}`, or, as root, set EMBARK_INSTALL=1 to have it done"
        )
    report(f"installing Debian packages: {' '.join(absent)} …")
    variables = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    run_for_output(["apt-get", "update", "-qq"], environment=variables)
    # --no-remove: never replaces a package of this machine by one of ours.
    options = ["-qq", "--yes", "--no-remove", "--no-install-recommends"]
    run_for_output(["apt-get", "install", *options, *absent], environment=variables)
    if still := missing(packages, environment):
        raise MissingPackagesError(f"{', '.join(still)}: apt-get installed them, but their programs are missing")
