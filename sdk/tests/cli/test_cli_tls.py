"""The options of TLS and of the tenant, which every command that asks a server has."""

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


def test_a_secured_server_is_asked_with_a_certificate(run: Run, authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    client = authority.identify(tmp_path / "client", "DNS:a")
    trust = ("--tls-ca", f"{client}/ca.crt", "--tls-server-name", SERVER_NAME)
    own = ("--tls-cert", f"{client}/tls.crt", "--tls-key", f"{client}/tls.key")
    with secured(server) as harness:
        result = run("lookup", "k", *trust, *own, ask=harness.target)
        assert (result.exit_code, "HIT" in result.stdout) == (0, True)
        for lacking in (trust, ()):
            refused = run("lookup", "k", *lacking, ask=harness.target)
            assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "a.pem", "--tls-key", "a.pem"], "need --tls-ca"),
        (["--tls-server-name", "a"], "need --tls-ca"),
        (["--tls-ca", "a.pem", "--tls-cert", "a.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-ca", "missing.pem"], "missing.pem"),
        (["--tls-ca", "a.pem"], "a.pem is no certificate of an authority"),
    ],
)
def test_options_that_do_not_make_tls_never_mean_plain_text(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pem").write_text("no certificate")
    result = run("lookup", "k0", *options)
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_a_tenant_is_whose_quota_misses_are_taken_off(run: Run, authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    trust = ("--tls-ca", f"{server}/ca.crt", "--tls-server-name", SERVER_NAME)
    with secured(server, [{"name": "ads", "missesPerSecond": 1}], client_certificates=False) as harness:
        for tenant, shed in (("ads", 2), ("feed", 0)):
            keys = [f"{tenant}{number}" for number in range(3)]
            result = run("lookup", *keys, "--tenant", tenant, *trust, ask=harness.target)
            assert result.stdout.count("SHED") == shed
