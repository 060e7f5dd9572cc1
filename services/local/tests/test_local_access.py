"""Who may call a local cache: spec.tls with certificates from a folder, and spec.tenants."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from embark.client import EmbArkClient, InvalidRequestError, KeyStatus
from embark.errors import UnavailableError
from embark.spec import EmbeddingCache
from embark_local.cli import local
from embark_testing.embark.secured import RANKER, authority_in, client_tls
from embark_testing.servers.authorities import Authority
from embark_testing.worlds.local_rollouts import KEYS, WAIT, LocalHarness
from embark_testing.worlds.two_spaces import build_cache, build_manifest, text_model

# The name that KFC and EmbArk's clients verify.
SERVER_NAME = "titles.default"
ADS = "spiffe://cluster.local/ns/ads/sa/*"
TLS = {"secret": "grpc", "clientCertificates": True, "authorizedIdentities": [ADS]}
TENANTS = [{"name": "ads", "identities": [ADS], "missesPerSecond": 1, "burst": 3}]


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    return LocalHarness(tmp_path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "server", "DNS:thumbnails.default")


def cache(harness: LocalHarness, **changes: Any) -> EmbeddingCache:
    return build_cache(harness.models, text_model(2), 2, **changes)


def run(harness: LocalHarness, *options: str, **changes: Any) -> Result:
    manifest = harness.folder / "titles.yaml"
    manifest.write_text(build_manifest(harness.models, text_model(2), 2, **changes))
    folders = ["--data", str(harness.data), "--models", str(harness.models), "--port", "0"]
    return CliRunner().invoke(local, ["-f", str(manifest), *folders, *options])


def test_with_a_folder_of_certificates_clients_must_present_theirs_and_keys_are_filled(
    harness: LocalHarness, authority: Authority, server: Path, tmp_path: Path
) -> None:
    ranker = authority.identify(tmp_path / "ranker", f"URI:{RANKER}")
    stranger = authority.identify(tmp_path / "stranger", "DNS:stranger")
    with harness.running(cache(harness, tls=TLS), certificates=server) as running:
        with EmbArkClient(running.target, timeout=WAIT, tls=client_tls(ranker)) as client:
            found = client.lookup(KEYS[:5], on_miss="wait", wait=WAIT, timeout=WAIT)
            assert set(found.statuses) == {KeyStatus.HIT}
        with (
            EmbArkClient(running.target, timeout=WAIT, tls=client_tls(stranger)) as client,
            pytest.raises(InvalidRequestError, match="not authorized"),
        ):
            client.lookup(KEYS[:5])
        with EmbArkClient(running.target, timeout=3) as client, pytest.raises(UnavailableError):
            client.lookup(KEYS[:5])


def test_without_one_calls_are_in_plain_text_and_name_their_tenant(harness: LocalHarness) -> None:
    with harness.running(cache(harness, tls=TLS, tenants=TENANTS)) as running:
        with EmbArkClient(running.target, timeout=WAIT, tenant="ads") as client:
            statuses = Counter(KeyStatus(status) for status in client.lookup(KEYS[:10]).statuses)
            assert statuses == {KeyStatus.OOV_ENQUEUED: 3, KeyStatus.SHED: 7}
        with EmbArkClient(running.target, timeout=WAIT, tenant="feed") as client:
            found = client.lookup(KEYS[10:30], on_miss="wait", wait=WAIT, timeout=WAIT)
            assert set(found.statuses) == {KeyStatus.HIT}


def test_certificates_for_a_cache_without_tls_are_refused(harness: LocalHarness, server: Path) -> None:
    refused = run(harness, "--tls", str(server))
    assert refused.exit_code == 2
    assert "names none" in refused.output


def test_a_missing_certificate_is_named(harness: LocalHarness, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = run(harness, "--tls", str(tmp_path / "empty"), tls=TLS)
    assert refused.exit_code == 1
    assert "ca.crt cannot be read" in refused.output
    assert f"spec.tls.secret: the files in {tmp_path / 'empty'}" in refused.output
