"""The images are built from the workspace's packages, and no process in them runs as root."""

import json
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from embark_testing.cluster.image_builders import Image
from embark_testing.cluster.images import DOCKERFILE, PACKAGES, ROOT

SUPPORT = (ROOT / "tests" / "embark_testing" / "cluster" / "images").glob("*/Dockerfile")


def stages(dockerfile: Path) -> dict[str, list[str]]:
    """Return the lines of every named stage of a Dockerfile, those of the stage that it builds on included."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in dockerfile.read_text().splitlines():
        if line.startswith("FROM "):
            _, base, *name = line.split()
            lines = list(found.get(base, ()))
            found[name[-1] if name else ""] = lines
        lines.append(line)
    return found


def last(lines: list[str], instruction: str) -> str:
    """Return the arguments of the last `instruction` in `lines`."""
    return next(line for line in reversed(lines) if line.startswith(f"{instruction} ")).removeprefix(f"{instruction} ")


EVERY = {path.parent.name: stages(path)[""] for path in SUPPORT} | {
    target: stages(DOCKERFILE)[target] for target in PACKAGES
}


@pytest.mark.parametrize("name", EVERY)
def test_the_user_of_an_image_is_a_number_and_not_root(name: str) -> None:
    # Kubernetes cannot check a user name against runAsNonRoot.
    assert int(last(EVERY[name], "USER").split(":")[0]) > 0


@pytest.mark.parametrize("target", PACKAGES)
def test_an_image_runs_a_module_of_the_package_it_installs(target: str) -> None:
    module = json.loads(last(EVERY[target], "ENTRYPOINT"))[-1]
    spec = find_spec(f"{module}.__main__")
    assert spec is not None
    assert spec.origin is not None
    project = next(folder for folder in Path(spec.origin).parents if (folder / "pyproject.toml").exists())
    package = tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"]
    assert PACKAGES[target]["PACKAGE"] == package


def test_the_support_images_are_found() -> None:
    assert EVERY.keys() == {*PACKAGES, "cassandra", "kafka", "samples"}


def test_an_image_is_named_with_its_target_arguments_and_folders() -> None:
    image = Image("localhost/embark/kafka:4", {"BASE_IMAGE": "java"}, {"jars": Path("/jars")}, target="kafka")
    assert image.options == [
        "--target=kafka",
        "--build-arg=BASE_IMAGE=java",
        "--build-context=jars=/jars",
        "--tag=localhost/embark/kafka:4",
    ]
