"""The container of a component: command, mounts, probes and security context."""

from dataclasses import dataclass
from typing import Final

from embark.settings import Listen
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.manifests.volumes import SETTINGS_FOLDER, TMP_FOLDER, Mount, build_volume_mounts
from embark_operator.names import Manifest

GRPC: Final = "grpc"
PROBES: Final = "probes"
# Delays the drain of a terminating pod until every client and node has stopped sending calls to it.
PRE_STOP_SECONDS: Final = 5

_PERIOD_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Process:
    """The process of a container."""

    image: str
    pull_policy: str
    module: str
    """The module to run with `python -m`."""
    resources: Manifest
    mounts: tuple[Mount, ...]
    """Added to the settings and /tmp."""
    arguments: tuple[str, ...] = ()
    """Appended to `--settings FILE`."""
    listen: Listen | None = None
    """None if the process has no ports."""
    serves_grpc: bool = False
    startup_seconds: int = 120
    """How long the process may take until it answers /healthz."""


def build_container(name: str, process: Process) -> Manifest:
    """Return the container `name` of a process."""
    settings = ("--settings", f"{SETTINGS_FOLDER}/{SETTINGS_KEY}")
    container = {
        "name": name,
        "image": process.image,
        "imagePullPolicy": process.pull_policy,
        "command": ["python", "-m", process.module],
        "args": [*settings, *process.arguments],
        # The user has no entry in /etc/passwd and no home: give libraries that look for either a name and a folder.
        "env": [{"name": "USER", "value": "embark"}, {"name": "HOME", "value": TMP_FOLDER}],
        "resources": process.resources,
        "volumeMounts": build_volume_mounts(process.mounts),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if process.listen:
        container |= {"ports": _ports(process, process.listen)} | _probes(process.startup_seconds)
    if process.serves_grpc:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}
    return container


def _ports(process: Process, listen: Listen) -> list[Manifest]:
    probes = {"name": PROBES, "containerPort": listen.probes_port, "protocol": "TCP"}
    grpc = {"name": GRPC, "containerPort": listen.grpc_port, "protocol": "TCP"}
    return [grpc, probes] if process.serves_grpc else [probes]


def _probes(startup_seconds: int) -> Manifest:
    # A busy interpreter may answer late; a pod is restarted only after a minute without an answer.
    return {
        "startupProbe": _probe("/healthz", startup_seconds // _PERIOD_SECONDS),
        "livenessProbe": _probe("/healthz", 12),
        "readinessProbe": _probe("/readyz", 3),
    }


def _probe(path: str, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": PROBES},
        "periodSeconds": _PERIOD_SECONDS,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
