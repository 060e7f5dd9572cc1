"""Builds a Go module's commands with the ordinary Go client, as a user of the module would.

`go install path@version` rejects modules with replace directives, such as Kubernetes and etcd. So a small module
requires each of them, with the same replacements by their published versions.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from embark_testing.cluster.commands import ClusterError, run_for_output
from embark_testing.cluster.go_modules import GoModule

# Kubernetes v1.X.Y publishes its staging modules as v0.X.Y.
_STAGING = "k8s.io/"


class MissingGoError(ClusterError):
    """The Go client is not installed; the message says where to get it."""


def build(
    module: GoModule, folder: Path, objects: Path, environment: Mapping[str, str], report: Callable[[str], None]
) -> Path:
    """Build the module's commands and return the folder of the files, which is within `folder`.

    `report` gets a line for each step. The module cache is in `folder` too; the cache of compiled packages is in
    `objects`, which several builds may share. Both take gigabytes until the caller removes them.

    Raises:
        MissingGoError: there is no `go`.
        CommandFailedError: the module could not be fetched or built.
    """
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise MissingGoError(f"building {module.name} needs the Go client on the PATH: https://go.dev/dl/")
    made, work = folder / "bin", folder / "module"
    made.mkdir()
    work.mkdir()
    variables = dict(environment) | _variables(folder, objects)
    report(f"{module.name} {module.version}: fetching {module.path} …")
    (work / "go.mod").write_text(_module_file(module, _published(go, module, work, variables)))
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in module.variables.items())])
    report(f"{module.name} {module.version}: building {', '.join(module.commands)} …")
    # In one call, so that one command is linked while another is compiled. They are then named after their packages.
    [first, *others] = module.commands
    output = made if others else made / first
    run_for_output(
        [go, "build", "-ldflags", flags, "-o", str(output), *module.commands.values()],
        folder=work,
        environment=variables,
    )
    return made


def _variables(folder: Path, objects: Path) -> dict[str, str]:
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        # Read-only modules, Go's default, could not be removed with the folder.
        "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false -trimpath",
        "GOCACHE": str(objects),
        "GOMODCACHE": str(folder / "modules"),
        "GOWORK": "off",
    }


def _published(go: str, module: GoModule, work: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the module's own go.mod, as JSON."""
    downloaded = json.loads(
        run_for_output(
            [go, "mod", "download", "-json", f"{module.path}@{module.version}"], folder=work, environment=variables
        )
    )
    parsed: dict[str, Any] = json.loads(
        run_for_output([go, "mod", "edit", "-json", downloaded["GoMod"]], folder=work, environment=variables)
    )
    return parsed


def _module_file(module: GoModule, published: Mapping[str, Any]) -> str:
    lines = ["module cluster", f"go {published['Go']}", f"require {module.path} {module.version}"]
    for replaced in published.get("Replace") or ():
        old = replaced["Old"]["Path"]
        if module.path == "k8s.io/kubernetes" and old.startswith(_STAGING):
            lines.append(f"replace {old} => {old} v0{module.version.removeprefix('v1')}")
    return "".join(f"{line}\n" for line in lines)
