"""What the tests of several packages share: the sample models, and an origin of photographs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from embark_testing.origin import Origin
from samples.models.build import ensure_models
from samples.models.cache_folder import default_folder


@pytest.fixture(scope="session")
def models() -> dict[str, Path]:
    """The path of each sample model by its name; built first where the cache folder lacks them."""
    return ensure_models(default_folder(os.environ), os.environ, print)


@pytest.fixture(scope="session")
def models_folder(models: dict[str, Path]) -> Path:
    """The folder of models by digest."""
    return next(iter(models.values())).parent


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin of photographs on 127.0.0.1."""
    with Origin.serving() as served:
        yield served
