"""The images are built from the workspace's packages, and no process in them runs as root."""

import json
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from embark_testing.cluster.image_builders import Image
from embark_testing.cluster.images import DOCKERFILES, ROOT

OWN = (ROOT / "tests" / "cluster" / "images").glob("*/Dockerfile")
EVERY = [*(ROOT / path for path in DOCKERFILES.values()), *OWN]


def last(dockerfile: Path, instruction: str) -> str:
    """Return what the last instruction of this kind in the Dockerfile says."""
    lines = [line for line in dockerfile.read_text().splitlines() if line.startswith(f"{instruction} ")]
    return lines[-1].removeprefix(f"{instruction} ")


@pytest.mark.parametrize("dockerfile", EVERY, ids=lambda path: path.parent.name)
def test_the_user_of_an_image_is_a_number_and_not_root(dockerfile: Path) -> None:
    # A name could not be compared with runAsNonRoot.
    assert int(last(dockerfile, "USER").split(":")[0]) > 0


@pytest.mark.parametrize("path", DOCKERFILES.values())
def test_an_image_runs_a_module_of_the_package_it_installs(path: str) -> None:
    dockerfile = ROOT / path
    module = json.loads(last(dockerfile, "ENTRYPOINT"))[-1]
    assert find_spec(f"{module}.__main__") is not None
    package = tomllib.loads((dockerfile.parent / "pyproject.toml").read_text())["project"]["name"]
    assert f"--package {package}" in dockerfile.read_text()


def test_an_image_is_named_with_its_arguments_and_folders() -> None:
    image = Image("localhost/embark/kafka:4", {"BASE_IMAGE": "java"}, {"jars": Path("/jars")})
    assert image.options == [
        "--build-arg=BASE_IMAGE=java",
        "--build-context=jars=/jars",
        "--tag=localhost/embark/kafka:4",
    ]
