"""The folder of models, each under its digest; `load` takes the model from it, or downloads it into it."""

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import fsspec

from embark.spec.encoder import ModelFile
from retina.errors import RefusedError

_READABLE: Final = 0o644
"""mkstemp's 0600 would hide the model from a service of another user that shares the folder."""


def models_folder(environment: Mapping[str, str]) -> Path:
    """Return where models are kept unless told otherwise: $EMBARK_CACHE/models, or in the user's cache folder."""
    chosen = environment.get("EMBARK_CACHE")
    if chosen:
        return Path(chosen) / "models"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embark" / "models"


def model_path(folder: Path, digest: str) -> Path:
    """Return where the model with `digest` (`sha256:<64 hex digits>`) lies, or will lie."""
    return folder / f"{digest.replace(':', '-')}.onnx"


def obtain(model: ModelFile, folder: Path, log: logging.Logger) -> Path:
    """Return the path of a file with exactly the digest that the cache names.

    A model that is not in `folder` is downloaded from its URI by fsspec (https, http, s3, gs, file) and appears there
    whole or not at all.

    Raises:
        RefusedError: the file there, or what was downloaded, has another digest (the message names both), or it could
            not be downloaded.
    """
    path = model_path(folder, model.digest)
    if path.exists():
        _require_digest(path, f"the model {path}", model.digest)
        return path
    log.info("downloading the model", extra={"uri": model.uri, "digest": model.digest})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".downloading-") as temporary:
            arrived = Path(temporary) / "model.onnx"
            _download(model.uri, arrived)
            _require_digest(arrived, f"what is at {model.uri}", model.digest)
            arrived.chmod(_READABLE)
            arrived.replace(path)
    except OSError as error:
        raise RefusedError(f"the model cannot be kept in {folder}: {error}") from error
    return path


def _download(uri: str, path: Path) -> None:
    try:
        filesystem, remote = fsspec.core.url_to_fs(uri)
        filesystem.get_file(remote, str(path))
    except Exception as error:
        # Every file system has errors of its own; ImportError names the package that one of them needs.
        reason = str(error) or type(error).__name__
        raise RefusedError(f"the model cannot be downloaded from {uri}: {reason}") from error


def _require_digest(path: Path, what: str, wanted: str) -> None:
    with path.open("rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != wanted:
        raise RefusedError(f"{what} has digest {found}; the cache says {wanted}")
