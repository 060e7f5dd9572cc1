"""Authorization under mTLS by the identity of the certificate, which also decides the tenant."""

from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from embark.client import EmbArkClient, InvalidRequestError, KeyStatus
from embark.rpc.certificates import CertificateFiles
from embark.rpc.channels import open_channel
from embark.rpc.peers import read_identities
from embark.service_names import EMBARK_SERVICE
from embark_testing.embark.secured import RANKER, SERVER_NAME, authority_in, client_tls, secured
from embark_testing.servers.authorities import Authority

ALLOWED = ("spiffe://cluster.local/ns/ads/sa/*", "trainer.*", "batch")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")


@pytest.mark.parametrize(
    ("names", "common_name"),
    [(f"URI:{RANKER}", ""), ("DNS:other,DNS:trainer.ml", "unlisted"), ("", "batch"), ("IP:127.0.0.1", "batch")],
)
def test_an_identity_that_matches_a_pattern_is_admitted(
    authority: Authority, server: Path, tmp_path: Path, names: str, common_name: str
) -> None:
    client = authority.identify(tmp_path / "client", names, common_name=common_name)
    with (
        secured(server, authorized_identities=ALLOWED) as harness,
        EmbArkClient(harness.target, timeout=30, tls=client_tls(client)) as found,
    ):
        assert found.lookup(["k"]).hits.all()


@pytest.mark.parametrize(
    ("names", "common_name"),
    [
        ("URI:spiffe://cluster.local/ns/web/sa/ranker", ""),
        # A weaker name next to an identity that is not authorized does not admit the caller.
        ("URI:spiffe://cluster.local/ns/web/sa/ranker,DNS:trainer.ml", "batch"),
        ("DNS:other", "batch"),
        ("", "batch2"),
    ],
)
def test_any_other_identity_is_denied_every_method_and_learns_no_data(
    authority: Authority, server: Path, tmp_path: Path, names: str, common_name: str
) -> None:
    client = authority.identify(tmp_path / "client", names, common_name=common_name)
    with (
        secured(server, authorized_identities=ALLOWED) as harness,
        EmbArkClient(harness.target, timeout=30, tls=client_tls(client)) as denied,
    ):
        calls: list[Any] = [
            lambda: denied.lookup(["k"]),
            lambda: denied.lookup(["secret-key"]),
            lambda: denied.prefetch(["m"]),
            lambda: denied.invalidate(["k"]),
            lambda: denied.similar("k"),
            denied.describe,
            lambda: denied.describe_rollout(harness.space),
            lambda: list(denied.export()),
            lambda: list(denied.lookup_stream([["k"]])),
            lambda: denied.put(harness.space, ["k"], np.zeros((1, 4), "float32")),
        ]
        for call in calls:
            with pytest.raises(InvalidRequestError, match="not authorized") as refused:
                call()
            assert not [data for data in (harness.space, "secret-key", "ads", "trainer") if data in str(refused.value)]
        assert harness.counted("embark_refused_calls_total", code="PERMISSION_DENIED") >= len(calls)
        assert not harness.store.deletes
        assert not harness.producer.fills


def test_health_is_open_to_every_certificate_and_reflection_is_not(
    authority: Authority, server: Path, tmp_path: Path
) -> None:
    client = CertificateFiles.in_folder(authority.identify(tmp_path / "client", "DNS:other")).read()
    credentials = grpc.ssl_channel_credentials(client.authority, client.private_key, client.certificate)
    with (
        secured(server, authorized_identities=ALLOWED) as harness,
        open_channel(harness.target, EMBARK_SERVICE, credentials, SERVER_NAME) as channel,
    ):
        checks: Any = health_pb2_grpc.HealthStub(channel)
        health = checks.Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        reflected = reflection.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=30
        )
        with pytest.raises(grpc.RpcError) as refused:
            next(reflected)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_under_mtls_the_certificate_decides_the_tenant_and_metadata_does_not(
    authority: Authority, server: Path, tmp_path: Path
) -> None:
    tenants = [
        {"name": "ads", "missesPerSecond": 5, "identities": ["spiffe://cluster.local/ns/ads/sa/*"]},
        {"name": "default", "missesPerSecond": 2},
    ]
    keys = [f"m{number}" for number in range(20)]
    ranker = authority.identify(tmp_path / "ranker", f"URI:{RANKER}")
    other = authority.identify(tmp_path / "other", "DNS:other")
    with secured(server, tenants) as harness:
        for client, tenant, allowed in ((other, "ads", 2), (ranker, "default", 5)):
            with EmbArkClient(harness.target, timeout=30, tenant=tenant, tls=client_tls(client)) as client_:
                statuses = Counter(KeyStatus(status) for status in client_.lookup(keys).statuses)
            assert statuses[KeyStatus.OOV_ENQUEUED] == allowed
            assert statuses[KeyStatus.SHED] >= 20 - 5 - 2


def test_a_peer_without_a_certificate_has_no_identity() -> None:
    assert read_identities({"transport_security_type": [b"ssl"]}) == ()
