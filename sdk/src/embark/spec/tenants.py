"""`spec.tenants`: the tenants that share the cache, and their quotas of misses."""

from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from embark.spec.identities import Identity
from embark.spec.model import Model

DEFAULT_TENANT: Final = "default"
"""The tenant of every call that names no other; it has no quota unless the spec gives it one."""

TenantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9\-]*[a-z0-9])?$", max_length=63)]
_MAX_RATE: Final = 1_000_000_000


class Tenant(Model):
    """One entry of `spec.tenants`; the quota applies to each replica of EmbArk."""

    name: TenantName = Field(
        description="With mTLS, only a label. Without, calls name their tenant in the metadata embark-tenant, which is "
        "not verified. `default` is the tenant of every call that names no other."
    )
    identities: tuple[Identity, ...] = Field(
        default=(),
        max_length=16,
        description="Identities in client certificates: SPIFFE URIs, DNS names or common names; * matches any text "
        "without a slash. The first tenant that matches is charged.",
    )
    misses_per_second: int = Field(
        ge=1, le=_MAX_RATE, description="Fills that each replica of EmbArk requests; further misses are answered SHED."
    )
    burst: int = Field(default=0, ge=0, le=_MAX_RATE, description="Fills requested at once; 0: as many as in a second.")


def _check_names(tenants: tuple[Tenant, ...]) -> tuple[Tenant, ...]:
    for name, count in Counter(tenant.name for tenant in tenants).items():
        if count > 1:
            raise ValueError(f"the tenant {name} is given twice")
    return tenants


Tenants = Annotated[tuple[Tenant, ...], AfterValidator(_check_names)]
