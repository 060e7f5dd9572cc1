"""The folder of model files, each stored under its digest."""

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import fsspec

from embark.spec.encoder import ModelFile
from retina.errors import StartupError

_READABLE: Final = 0o644
"""mkstemp's 0600 would hide the model from a service that shares the folder as another user."""


def models_folder(environment: Mapping[str, str]) -> Path:
    """Return the default folder of models: $EMBARK_CACHE/models, or embark/models in the user's cache folder."""
    chosen = environment.get("EMBARK_CACHE")
    if chosen:
        return Path(chosen) / "models"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embark" / "models"


def model_path(folder: Path, digest: str) -> Path:
    """Return the path in `folder` of the model with `digest` (`sha256:<64 hex digits>`)."""
    return folder / f"{digest.replace(':', '-')}.onnx"


def obtain(model: ModelFile, folder: Path, log: logging.Logger) -> Path:
    """Return the path of a file with exactly the digest that the cache declares.

    A model that is not in `folder` is downloaded from its URI by fsspec (https, http, s3, gs, file). The file appears
    atomically.

    Raises:
        StartupError: the file, or the download, has another digest (the message names both), or the download failed.
    """
    path = model_path(folder, model.digest)
    if path.exists():
        _require_digest(path, f"the model {path}", model.digest)
        return path
    log.info("downloading the model", extra={"uri": model.uri, "digest": model.digest})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".downloading-") as temporary:
            download = Path(temporary) / "model.onnx"
            _download(model.uri, download)
            _require_digest(download, f"the file at {model.uri}", model.digest)
            download.chmod(_READABLE)
            download.replace(path)
    except OSError as error:
        raise StartupError(f"the model cannot be stored in {folder}: {error}") from error
    return path


def _download(uri: str, path: Path) -> None:
    try:
        filesystem, remote = fsspec.core.url_to_fs(uri)
        filesystem.get_file(remote, str(path))
    except Exception as error:
        # Each file system raises its own errors; ImportError names the package that one of them needs.
        reason = str(error) or type(error).__name__
        raise StartupError(f"the model cannot be downloaded from {uri}: {reason}") from error


def _require_digest(path: Path, subject: str, declared: str) -> None:
    with path.open("rb") as file:
        actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if actual != declared:
        raise StartupError(f"{subject} has digest {actual}; the cache declares {declared}")
