"""The volumes of a pod and their mounts: settings, Secrets, /tmp and Retina's models."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from embark.settings.caches import TLS_FOLDER
from embark.spec import Cassandra, EmbeddingCache, Kafka
from embark_operator.names import Manifest

SETTINGS_FOLDER: Final = "/etc/embark"
TMP_FOLDER: Final = "/tmp"  # noqa: S108 - a volume of the container
MODELS_FOLDER: Final = "/models"
# Not below SETTINGS_FOLDER: only some kubelets can create a mount inside a read-only mount.
_SECRETS_FOLDER: Final = "/var/run/secrets/embark.dev"

# Readable only by the group that the kubelet assigns to the volume.
_SECRET_MODE: Final = 0o440
_TMP_SIZE: Final = "1Gi"
# An ONNX file has at most 2 GiB, as every protobuf message; during a download there are two.
_MODELS_SIZE: Final = "4Gi"


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume that is mounted at a folder of the container."""

    name: str
    folder: str
    volume: Manifest
    read_only: bool = False


MODELS: Final = Mount("models", MODELS_FOLDER, {"emptyDir": {"sizeLimit": _MODELS_SIZE}})
_TMP: Final = Mount("tmp", TMP_FOLDER, {"emptyDir": {"sizeLimit": _TMP_SIZE}})


def secret_mounts(cassandra: Cassandra, kafka: Kafka) -> tuple[Mount, ...]:
    """Return a mount for each Secret that the cache names; its name is the services' option for it."""
    named = {
        "store-credentials": cassandra.credentials_secret,
        "store-tls": cassandra.tls_secret,
        "topic-credentials": kafka.credentials_secret,
        "topic-tls": kafka.tls_secret,
    }
    return tuple(
        _secret_mount(option, f"{_SECRETS_FOLDER}/{option}", secret) for option, secret in named.items() if secret
    )


def tls_mounts(cache: EmbeddingCache) -> tuple[Mount, ...]:
    """Return the mount of the Secret of spec.tls, if it names one; the services' settings have its folder."""
    secret = cache.spec.tls.secret
    return (_secret_mount("tls", TLS_FOLDER, secret),) if secret else ()


def secret_arguments(mounts: Sequence[Mount]) -> tuple[str, ...]:
    """Return the options that point a service to its Secrets."""
    return tuple(part for mount in mounts for part in (f"--{mount.name}", mount.folder))


def build_volumes(config_map: str, mounts: Sequence[Mount]) -> list[Manifest]:
    """Return the volumes of a pod."""
    return [{"name": mount.name, **copy.deepcopy(mount.volume)} for mount in (_settings(config_map), _TMP, *mounts)]


def build_volume_mounts(mounts: Sequence[Mount]) -> list[Manifest]:
    """Return the mounts of the pod's container."""
    return [
        {"name": mount.name, "mountPath": mount.folder} | ({"readOnly": True} if mount.read_only else {})
        for mount in (_settings(""), _TMP, *mounts)
    ]


def _secret_mount(name: str, folder: str, secret: str) -> Mount:
    volume = {"secret": {"secretName": secret, "defaultMode": _SECRET_MODE}}
    return Mount(name, folder, volume, read_only=True)


def _settings(config_map: str) -> Mount:
    return Mount("settings", SETTINGS_FOLDER, {"configMap": {"name": config_map}}, read_only=True)
