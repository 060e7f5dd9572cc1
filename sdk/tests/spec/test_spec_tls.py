"""`spec.tls` and `spec.tenants`: their effect on the settings, and none without them."""

import json
from typing import Any

import pytest

from embark.errors import InvalidSpecError
from embark.manifest import parse_manifest
from embark.settings import EmbArkSettings, settings_for
from embark.spec import EmbeddingCache

MTLS = {"secret": "photos-tls", "clientCertificates": True}
ADS = {"name": "ads", "missesPerSecond": 10}


def build_settings(document: dict[str, Any], **spec: Any) -> Any:
    document["spec"] |= spec
    return settings_for(EmbeddingCache.model_validate(document))


def test_without_them_no_settings_mention_them(document: dict[str, Any]) -> None:
    for settings in build_settings(document):
        assert not {"tls", "retinaTls", "tenants"} & json.loads(settings.model_dump_json(by_alias=True)).keys()


def test_every_service_has_the_certificates_and_only_embark_the_authorized_identities(document: dict[str, Any]) -> None:
    document["metadata"]["namespace"] = "team"
    embark, kfc, retina = build_settings(document, tls=MTLS | {"authorizedIdentities": ["a", "b.*"]}, tenants=[ADS])
    assert {embark.tls.folder, kfc.retina_tls.folder, retina.tls.folder} == {"/var/run/secrets/embark.dev/tls"}
    assert all(tls.client_certificates for tls in (embark.tls, kfc.retina_tls, retina.tls))
    assert (embark.tls.authorized_identities, retina.tls.authorized_identities) == (("a", "b.*"), ())
    assert kfc.retina_tls.server_name == "thumbnails.team"
    assert EmbArkSettings.model_validate_json(embark.model_dump_json(by_alias=True)) == embark


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"tls": {"clientCertificates": True}}, "spec.tls"),
        ({"tls": {"secret": "s", "authorizedIdentities": ["a"]}}, "spec.tls"),
        ({"tls": MTLS | {"authorizedIdentities": ["no good"]}}, "spec.tls.authorizedIdentities"),
        ({"tenants": [ADS, ADS]}, "spec.tenants"),
        ({"tenants": [ADS | {"missesPerSecond": 0}]}, "spec.tenants"),
    ],
)
def test_a_field_without_the_one_that_it_requires_is_rejected_by_name(
    document: dict[str, Any], spec: dict[str, Any], field: str
) -> None:
    document["spec"] |= spec
    with pytest.raises(InvalidSpecError) as refused:
        parse_manifest(json.dumps(document))
    assert refused.value.field.startswith(field)
