"""Every invalid cache derived from the CRD is refused without a cluster, by its field: `embark validate` agrees."""

import pytest
import yaml

from embark.manifest import find_faults
from embark_testing.worlds.invalid_caches import InvalidCache, invalid_caches, valid_manifest

INVALID = list(invalid_caches())


def test_there_are_well_over_100_of_them_and_no_two_alike() -> None:
    assert len(INVALID) > 300
    assert len({yaml.safe_dump(invalid.manifest) for invalid in INVALID}) == len(INVALID)


def test_the_manifest_that_they_differ_from_is_good() -> None:
    assert find_faults(yaml.safe_dump(valid_manifest())) == []


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.name)
def test_an_invalid_cache_is_refused_by_its_field(invalid: InvalidCache) -> None:
    assert [fault.field for fault in find_faults(yaml.safe_dump(invalid.manifest))] == [invalid.field]
