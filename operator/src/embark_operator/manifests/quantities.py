"""Quantities in the form that the API server stores them in; `resources` writes every quantity through here."""

import math
from typing import Final

from embark.spec.resources import quantity_value

_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("m", "", "k", "M", "G", "T", "P", "E")
_MOST: Final = 2**63 - 1


def canonical_quantity(quantity: str) -> str:
    """Return the quantity of a container's resource as the API server stores it: `1` for `1000m`, `1Gi` for `1024Mi`.

    That is the whole number with the largest suffix of its own kind (binary or decimal) that loses nothing, rounded up
    to thousandths, which is how finely resources are kept (resource.Quantity and SetDefaults_ResourceList of
    Kubernetes). A binary quantity below 1024, or with a fraction of a byte, is written as a decimal one.

    Raises:
        ValueError: it is more than Kubernetes can count.
    """
    value = quantity_value(quantity)
    if value > _MOST:
        raise ValueError(f"{quantity} is more than the largest quantity, {_MOST}")
    thousandths = math.ceil(value * 1000)
    whole, fraction = divmod(thousandths, 1000)
    if quantity.endswith("i") and not fraction and whole >= 1024:  # noqa: PLR2004 - 1Ki
        return _shorten(whole, 1024, _BINARY)
    return _shorten(thousandths, 1000, _DECIMAL)


def _shorten(number: int, factor: int, suffixes: tuple[str, ...]) -> str:
    if number == 0:
        return "0"
    at = 0
    while number % factor == 0 and at < len(suffixes) - 1:
        number //= factor
        at += 1
    return f"{number}{suffixes[at]}"
