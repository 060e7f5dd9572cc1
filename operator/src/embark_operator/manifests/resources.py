"""The resources of a component's container: those of the spec, with default requests."""

import math
from collections.abc import Mapping
from typing import Final

from embark.errors import InvalidSpecError
from embark.spec.quantities import canonical_quantity, quantity_value
from embark.spec.resources import Resources
from embark.spec.serving import Gpu
from embark_operator.names import Manifest

# Autoscaling by CPU requires a CPU request, and the scheduler cannot place pods well without requests. They are small,
# so that a cache and its backends fit on a small node; only users set limits.
KFC: Final = {"cpu": "100m", "memory": "192Mi"}
RETINA: Final = {"cpu": "500m", "memory": "1Gi"}
_EMBARK_CPU: Final = "250m"
_MI: Final = 1024 * 1024
# The interpreter, the drivers, and a few large replies at a time.
_EMBARK_OWN_BYTES: Final = 256 * _MI
# The allocator's fragmentation, as a share of the hot tier.
_HOT_TIER_SLACK: Final = 0.25


def default_embark_requests(hot_tier_bytes: int) -> Mapping[str, str]:
    """Return EmbArk's default requests: the memory covers a full hot tier."""
    memory = _EMBARK_OWN_BYTES + math.ceil(hot_tier_bytes * (1 + _HOT_TIER_SLACK))
    return {"cpu": _EMBARK_CPU, "memory": f"{math.ceil(memory / _MI)}Mi"}


def build_resources(
    section: str, resources: Resources, defaults: Mapping[str, str], gpu: Gpu | None = None
) -> Manifest:
    """Return a container's resources; `section` is their part of the spec, for example spec.embark.

    As everywhere in Kubernetes, a limit without a request is the request too; then no default is added.

    Raises:
        InvalidSpecError: a quantity exceeds the maximum of Kubernetes.
    """
    limits = _canonical(f"{section}.resources.limits", resources.limits)
    requests = _canonical(f"{section}.resources.requests", resources.requests)
    absent = {name: canonical_quantity(value) for name, value in defaults.items() if name not in limits | requests}
    if gpu and gpu.count:
        limits[gpu.resource_name] = str(gpu.count)
    return {part: found for part, found in (("requests", absent | requests), ("limits", limits)) if found}


def check_hot_tier(resources: Resources, hot_tier_bytes: int) -> None:
    """Check that the memory limit exceeds the size of the hot tier.

    Raises:
        InvalidSpecError: it does not.
    """
    limit = resources.limits.get("memory")
    if limit is not None and quantity_value(limit) <= hot_tier_bytes:
        message = f"{limit} must exceed spec.embark.hotTier.maxBytes, {hot_tier_bytes} bytes"
        raise InvalidSpecError("spec.embark.resources.limits.memory", message)


def _canonical(field: str, quantities: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, quantity in quantities.items():
        try:
            found[name] = canonical_quantity(quantity)
        except ValueError as error:
            raise InvalidSpecError(f"{field}.{name}", str(error)) from None
    return found
