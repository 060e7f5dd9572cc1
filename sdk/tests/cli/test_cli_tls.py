"""The TLS and tenant options of every command that calls a server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from embark_testing.embark.secured import SERVER_NAME, authority_in, secured
from embark_testing.servers.authorities import Authority

Run = Callable[..., Result]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


def test_a_secured_server_is_called_with_a_certificate(run: Run, authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    client = authority.identify(tmp_path / "client", "DNS:a")
    trust = ("--tls-ca", f"{client}/ca.crt", "--tls-server-name", SERVER_NAME)
    own = ("--tls-cert", f"{client}/tls.crt", "--tls-key", f"{client}/tls.key")
    with secured(server) as harness:
        result = run("lookup", "k", *trust, *own, address=harness.target)
        assert (result.exit_code, "HIT" in result.stdout) == (0, True)
        for lacking in (trust, ()):
            refused = run("lookup", "k", *lacking, address=harness.target)
            assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "a.pem", "--tls-key", "a.pem"], "need --tls-ca"),
        (["--tls-server-name", "a"], "need --tls-ca"),
        (["--tls-ca", "a.pem", "--tls-cert", "a.pem"], "--tls-cert and --tls-key must be given together"),
        (["--tls-ca", "missing.pem"], "missing.pem"),
        (["--tls-ca", "a.pem"], "a.pem is not a certificate of an authority"),
    ],
)
def test_incomplete_tls_options_never_mean_plain_text(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pem").write_text("no certificate")
    result = run("lookup", "k0", *options)
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_misses_are_charged_to_the_quota_of_the_tenant(run: Run, authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    trust = ("--tls-ca", f"{server}/ca.crt", "--tls-server-name", SERVER_NAME)
    with secured(server, [{"name": "ads", "missesPerSecond": 1}], client_certificates=False) as harness:
        for tenant, shed in (("ads", 2), ("feed", 0)):
            keys = [f"{tenant}{number}" for number in range(3)]
            result = run("lookup", *keys, "--tenant", tenant, *trust, address=harness.target)
            assert result.stdout.count("SHED") == shed
