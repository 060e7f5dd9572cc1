"""Retina answers only callers with a certificate of its cache."""

from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from embark.rpc.certificates import CertificateError, CertificateFiles
from embark.rpc.channels import open_aio_channel
from embark.service_names import RETINA_SERVICE
from embark.settings import RetinaSettings, TlsSettings
from embark.v1 import retina_pb2, retina_pb2_grpc
from embark_testing.embark.secured import SERVER_NAME, authority_in
from embark_testing.retina.models import install, mean_model, settings
from embark_testing.retina.service import SECONDS, by_content, started
from embark_testing.servers.authorities import Authority
from retina.server import RetinaServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


@pytest.fixture
def folder(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "secret", f"DNS:{SERVER_NAME}")


def secured(models: Path, folder: Path) -> RetinaSettings:
    tls = TlsSettings(folder=str(folder), client_certificates=True, server_name=SERVER_NAME)
    return settings(install(models, mean_model())).model_copy(update={"tls": tls})


async def count_results(
    loaded: RetinaSettings, server: RetinaServer, credentials: grpc.ChannelCredentials | None
) -> int:
    """Return how many results one call has."""
    async with open_aio_channel(f"127.0.0.1:{server.port}", RETINA_SERVICE, credentials, SERVER_NAME) as channel:
        request = retina_pb2.EncodeRequest(space=loaded.space.id, items=[by_content(b"not an image")])
        reply = await retina_pb2_grpc.RetinaServiceStub(channel).Encode(request, timeout=SECONDS)
        return len(reply.results)


async def test_only_callers_with_a_certificate_of_the_cache_are_answered(
    authority: Authority, folder: Path, tmp_path: Path
) -> None:
    loaded = secured(tmp_path, folder)
    strange = Authority(tmp_path / "strange").identify(tmp_path / "other", "")
    own, other = CertificateFiles.in_folder(folder).read(), CertificateFiles.in_folder(strange).read()
    async with started(RetinaServer(loaded, models=tmp_path, registry=CollectorRegistry(), cores=1)) as server:
        right = grpc.ssl_channel_credentials(own.authority, own.private_key, own.certificate)
        assert await count_results(loaded, server, right) == 1
        for wrong in (
            None,
            grpc.ssl_channel_credentials(own.authority),
            grpc.ssl_channel_credentials(own.authority, other.private_key, other.certificate),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await count_results(loaded, server, wrong)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        authority.identify(folder, f"DNS:{SERVER_NAME}")
        own = CertificateFiles.in_folder(folder).read()
        renewed = grpc.ssl_channel_credentials(own.authority, own.private_key, own.certificate)
        assert await count_results(loaded, server, renewed) == 1


async def test_a_retina_without_its_certificates_does_not_start_in_plain_text(folder: Path, tmp_path: Path) -> None:
    (folder / "tls.key").unlink()
    with pytest.raises(CertificateError, match=r"tls\.key cannot be read"):
        await RetinaServer(secured(tmp_path, folder), models=tmp_path, registry=CollectorRegistry(), cores=1).start()
