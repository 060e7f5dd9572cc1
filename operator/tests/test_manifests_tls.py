"""Certificates without a mesh: which components mount the Secret of spec.tls, and the Certificate of cert-manager."""

import importlib
from typing import Any

import pytest

from embark.settings import settings_for
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import CERTIFICATE
from embark_operator.manifests.tls import build_certificate, needs_certificate
from embark_operator.names import Manifest
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import build_context, container, every_child, templates

CALLS_GRPC = ["embark", "kfc", "retina", "reembed"]
OTHERS = ["schema", "verify", "drop"]
SECRET: dict[str, Any] = {"secret": "photos-grpc", "clientCertificates": True}
ISSUED = SECRET | {"issuer": {"name": "authority", "kind": "ClusterIssuer"}}
SERVED = Apis(frozenset({(CERTIFICATE.api_version, CERTIFICATE.name)}))


def tls_volumes(component: str, **changes: Any) -> list[Manifest]:
    template = templates(every_child(**changes))[component]
    return [volume for volume in template["spec"]["volumes"] if volume["name"] == "tls"]


@pytest.mark.parametrize("component", CALLS_GRPC)
def test_components_that_serve_or_call_grpc_mount_certificates_where_their_settings_say(component: str) -> None:
    template = templates(every_child(tls=SECRET))[component]
    (mount,) = [mount for mount in container(template)["volumeMounts"] if mount["name"] == "tls"]
    embark, kfc, retina = settings_for(sample("photos", tls=SECRET))
    files = {"embark": embark.tls, "kfc": kfc.retina_tls, "reembed": kfc.retina_tls, "retina": retina.tls}[component]
    assert files is not None
    assert (mount["mountPath"], mount["readOnly"]) == (files.folder, True)
    assert [volume["secret"]["secretName"] for volume in tls_volumes(component, tls=SECRET)] == ["photos-grpc"]


@pytest.mark.parametrize("component", OTHERS)
def test_components_without_grpc_mount_no_certificates(component: str) -> None:
    assert not tls_volumes(component, tls=SECRET)


@pytest.mark.parametrize("component", [*CALLS_GRPC, *OTHERS])
def test_without_tls_no_component_mounts_certificates(component: str) -> None:
    assert not tls_volumes(component)


def test_the_certificate_has_every_name_of_the_cache() -> None:
    cache = sample("photos", tls=ISSUED)
    (certificate,) = build_certificate(build_context(cache, apis=SERVED))
    namespace = cache.metadata.namespace
    spec = certificate["spec"]
    assert spec["secretName"] == "photos-grpc"
    assert spec["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "authority"}
    assert {f"photos.{namespace}", f"photos-embark.{namespace}", f"photos-embark.{namespace}.svc"} <= set(
        spec["dnsNames"]
    )
    kfc = settings_for(cache).kfc.retina_tls
    assert kfc is not None
    assert kfc.server_name in spec["dnsNames"]
    assert {"server auth", "client auth"} <= set(spec["usages"])


def test_the_certificate_matches_the_published_schema() -> None:
    (certificate,) = build_certificate(build_context(sample("photos", tls=ISSUED), apis=SERVED))
    # The import takes seconds, which only this test should wait for.
    published = importlib.import_module("cloudcoil.models.cert_manager.v1").Certificate
    read = published.model_validate(certificate).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read["spec"] == certificate["spec"]


def test_there_is_no_certificate_without_cert_manager_or_issuer() -> None:
    assert build_certificate(build_context(sample("photos", tls=ISSUED))) == []
    assert needs_certificate(sample("photos", tls=ISSUED))
    assert build_certificate(build_context(sample("photos", tls=SECRET), apis=SERVED)) == []
    assert not needs_certificate(sample("photos", tls=SECRET))
