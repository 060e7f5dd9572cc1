"""The cache folder of built models, each stored under its digest."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from samples.models.digests import sha256_hex


def default_folder(environment: Mapping[str, str]) -> Path:
    """Return `$EMBARK_CACHE`, or else `embark` in the user's XDG cache folder."""
    if chosen := environment.get("EMBARK_CACHE"):
        return Path(chosen).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "embark"


def model_path(folder: Path, sha256: str) -> Path:
    """Return the path in `folder` of the model with this digest."""
    return folder / "models" / f"sha256-{sha256}.onnx"


def holds(folder: Path, sha256: str) -> bool:
    """Return whether the folder has the model with this digest; reads the whole file."""
    try:
        content = model_path(folder, sha256).read_bytes()
    except FileNotFoundError:
        return False
    return sha256_hex(content) == sha256


def install(folder: Path, content: bytes) -> Path:
    """Write a model under its digest and return its path.

    The file appears atomically, by a rename within the folder, so concurrent builds are safe: they install the same
    bytes under the same name.
    """
    path = model_path(folder, sha256_hex(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".building-", suffix=".onnx")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide the model from a service that runs as another user
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
