"""`spec.tls` and `spec.tenants`: what they mean for the services, and that their absence changes nothing."""

import json
from typing import Any

import pytest

from embark.errors import InvalidSpecError
from embark.manifest import parse_manifest
from embark.settings import EmbArkSettings, settings_for
from embark.spec import EmbeddingCache

MTLS = {"secret": "photos-tls", "clientCertificates": True}
ADS = {"name": "ads", "missesPerSecond": 10}


def settings_of(document: dict[str, Any], **spec: Any) -> Any:
    document["spec"] |= spec
    return settings_for(EmbeddingCache.model_validate(document))


def test_a_cache_without_them_has_no_word_of_them_in_any_settings(document: dict[str, Any]) -> None:
    for settings in settings_of(document):
        assert not {"tls", "retinaTls", "tenants"} & json.loads(settings.model_dump_json(by_alias=True)).keys()


def test_every_service_has_the_certificates_and_embark_alone_who_is_authorized(document: dict[str, Any]) -> None:
    document["metadata"]["namespace"] = "team"
    embark, kfc, retina = settings_of(document, tls=MTLS | {"authorizedIdentities": ["a", "b.*"]}, tenants=[ADS])
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
def test_what_does_not_go_together_is_refused_and_named(
    document: dict[str, Any], spec: dict[str, Any], field: str
) -> None:
    document["spec"] |= spec
    with pytest.raises(InvalidSpecError) as refused:
        parse_manifest(json.dumps(document))
    assert refused.value.field.startswith(field)
