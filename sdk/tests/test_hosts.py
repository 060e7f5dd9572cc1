import pytest

from embark.hosts import url_host


@pytest.mark.parametrize(("host", "written"), [("::1", "[::1]"), ("10.0.0.1", "10.0.0.1"), ("embark", "embark")])
def test_an_ipv6_address_stands_in_brackets_and_nothing_else_does(host: str, written: str) -> None:
    assert url_host(host) == written
