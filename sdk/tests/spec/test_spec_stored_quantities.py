from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.spec.quantities import canonical_quantity, quantity_value
from embark_testing.worlds.stored_quantities import STORED


@pytest.mark.parametrize(("written", "stored"), STORED.items())
def test_a_quantity_is_written_as_the_api_server_stores_it(written: str, stored: str) -> None:
    assert canonical_quantity(written) == stored


def test_a_quantity_that_exceeds_the_maximum_of_kubernetes_is_rejected() -> None:
    assert canonical_quantity(str(2**63 - 1)) == str(2**63 - 1)
    with pytest.raises(ValueError, match="9223372036854775808"):
        canonical_quantity(str(2**63))


@given(
    st.integers(0, 10**6),
    st.integers(0, 999),
    st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]),
)
def test_only_fractions_of_a_thousandth_are_rounded(whole: int, thousandths: int, suffix: str) -> None:
    written = f"{whole}.{thousandths:03d}{suffix}"
    canonical = canonical_quantity(written)
    lost = quantity_value(canonical) - quantity_value(written)
    assert 0 <= lost < Decimal("0.001")


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_is_unchanged(number: int, suffix: str) -> None:
    canonical = canonical_quantity(f"{number}{suffix}")
    assert canonical_quantity(canonical) == canonical
