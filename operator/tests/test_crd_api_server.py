"""A real API server accepts the CRD, and validates caches as `embark validate` does."""

from collections.abc import Iterator

import pytest
import yaml

from embark.manifest import find_faults
from embark_operator.crd.rules import CHANGE_RULES
from embark_testing.api.caches import Caches, Document, Refused, install_crd, open_caches
from embark_testing.cluster.api_server import ApiServer
from embark_testing.worlds.invalid_caches import InvalidCache, cache_schema, invalid_caches, walk_schema
from embark_testing.worlds.odd_caches import odd_caches

pytestmark = pytest.mark.cluster

INVALID = list(invalid_caches())


@pytest.fixture(scope="module")
def caches(api_server: ApiServer) -> Iterator[Caches]:
    install_crd(api_server)
    with open_caches(api_server.kubeconfig, "default") as made:
        yield made


def find_refusal(caches: Caches, manifest: Document) -> Refused | None:
    try:
        caches.create(manifest, dry_run=True)
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.name)
def test_an_invalid_cache_is_rejected_by_its_field(caches: Caches, invalid: InvalidCache) -> None:
    refused = find_refusal(caches, invalid.manifest)
    assert refused is not None
    if invalid.unknown:
        assert f'unknown field "{invalid.field}"' in refused.message
    else:
        assert invalid.field in refused.fields


def test_every_rule_of_the_crd_rejects_something(caches: Caches) -> None:
    rules = {
        (path, rule["message"])
        for path, part in walk_schema(cache_schema()["properties"]["spec"], "spec")
        for rule in part.get("x-kubernetes-validations", [])
        if path not in CHANGE_RULES
    }
    assert len(rules) > 30
    messages = {
        (cause["field"].replace("[1]", "[]"), cause["message"])
        for invalid in INVALID
        if not invalid.unknown and (refused := find_refusal(caches, invalid.manifest))
        for cause in refused.causes
    }
    silent = [rule for rule in rules if not any(rule[0] == path and rule[1] in message for path, message in messages)]
    assert silent == []


def test_odd_values_are_validated_as_by_embark_validate(caches: Caches) -> None:
    differences = []
    for name, manifest in odd_caches():
        faults = find_faults(yaml.safe_dump(manifest))
        refused = find_refusal(caches, manifest)
        if bool(faults) != bool(refused):
            differences.append(f"{name}: {faults or 'good'}, and the API server: {refused or 'good'}")
    assert differences == []
