"""`embark validate` rejects every invalid cache derived from the CRD, by its field."""

import pytest
import yaml

from embark.manifest import find_faults
from embark_testing.worlds.invalid_caches import InvalidCache, invalid_caches, valid_manifest

INVALID = list(invalid_caches())


def test_there_are_well_over_100_different_invalid_caches() -> None:
    assert len(INVALID) > 300
    assert len({yaml.safe_dump(invalid.manifest) for invalid in INVALID}) == len(INVALID)


def test_the_manifest_that_they_are_derived_from_is_valid() -> None:
    assert find_faults(yaml.safe_dump(valid_manifest())) == []


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.name)
def test_an_invalid_cache_is_rejected_by_its_field(invalid: InvalidCache) -> None:
    assert [fault.field for fault in find_faults(yaml.safe_dump(invalid.manifest))] == [invalid.field]
