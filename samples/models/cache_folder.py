"""The folder that holds built models, each under its digest; `build.py` fills it and the tests and the demo read it."""

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
    """Return where the model with this digest lies, or will lie."""
    return folder / "models" / f"sha256-{sha256}.onnx"


def holds(folder: Path, sha256: str) -> bool:
    """Tell whether the model is there and whole: the file is read and its digest compared."""
    try:
        content = model_path(folder, sha256).read_bytes()
    except FileNotFoundError:
        return False
    return sha256_hex(content) == sha256


def install(folder: Path, content: bytes) -> Path:
    """Write a model under its digest and return its path.

    The file appears whole or not at all, by a rename inside the folder, so two builds at once do no harm: they install
    the same bytes under the same name.
    """
    path = model_path(folder, sha256_hex(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".building-", suffix=".onnx")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide the model from a service of another user
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
