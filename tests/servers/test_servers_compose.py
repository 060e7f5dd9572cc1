"""compose.yaml, as far as it can be judged without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embark_testing.servers.maven_jars import POMS

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def pinned(server: str) -> str:
    found = re.search(r"<version>([0-9][^<]*)</version>", (POMS / f"{server}.xml").read_text())
    assert found is not None
    return found[1]


def test_there_are_the_servers_that_tests_run_on_and_no_others() -> None:
    assert set(SERVICES) == {path.stem for path in POMS.glob("*.xml")} == {"cassandra", "kafka"}


@pytest.mark.parametrize("server", SERVICES)
def test_an_image_has_the_version_that_tests_run_on(server: str) -> None:
    assert SERVICES[server]["image"].rpartition(":")[2] == pinned(server)


@pytest.mark.parametrize("server", SERVICES)
def test_a_port_is_only_open_to_this_machine(server: str) -> None:
    assert [port.split(":")[0] for port in SERVICES[server]["ports"]] == ["127.0.0.1"]
    assert "network_mode" not in SERVICES[server]


@pytest.mark.parametrize("server", SERVICES)
def test_a_server_says_when_it_is_ready(server: str) -> None:
    assert SERVICES[server]["healthcheck"]["test"][0] == "CMD"


def test_clients_are_sent_to_the_address_that_is_open() -> None:
    [port] = SERVICES["kafka"]["ports"]
    address, inner = port.rsplit(":", 1)
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{address}"
    assert f"PLAINTEXT://:{inner}" in SERVICES["kafka"]["environment"]["KAFKA_LISTENERS"]


def test_every_variable_is_text() -> None:
    values = [value for service in SERVICES.values() for value in service["environment"].values()]
    assert [value for value in values if not isinstance(value, str)] == []
