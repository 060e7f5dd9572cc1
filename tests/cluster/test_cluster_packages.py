"""Debian packages are only installed where that was requested."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from embark_testing.cluster.debian_packages import MissingPackagesError, ensure_installed, missing

PACKAGES = {"embark-there": "there-program", "embark-absent": "absent-program"}


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """A PATH with one of the two programs, and an apt-get that installs the other and records its calls."""
    programs = {
        "there-program": "#!/bin/sh\n",
        "apt-get": f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\nprintf "#!/bin/sh\\n" > {tmp_path}/absent-program\n'
        f"/bin/chmod +x {tmp_path}/absent-program\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return {"PATH": str(tmp_path)}


def test_a_package_whose_program_is_there_is_not_missing(environment: Mapping[str, str]) -> None:
    assert missing(PACKAGES, environment) == ["embark-absent"]


def test_unswitch_the_command_is_named_and_nothing_installed(environment: Mapping[str, str], tmp_path: Path) -> None:
    with pytest.raises(MissingPackagesError, match="apt-get install --no-install-recommends embark-absent"):
        ensure_installed(PACKAGES, environment, print)
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize("switch", ["CI", "EMBARK_INSTALL"])
def test_to_root_what_is_missing_is_installed_and_nothing_removed(
    environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    ensure_installed(PACKAGES, {**environment, switch: "1"}, print)
    _, install = (tmp_path / "calls").read_text().splitlines()
    assert install.split()[0] == "install"
    assert "--no-remove" in install
    assert install.split()[-1] == "embark-absent"


def test_another_user_gets_an_error_even_on_request(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MissingPackagesError, match="embark-absent"):
        ensure_installed(PACKAGES, {**environment, "CI": "true"}, print)
