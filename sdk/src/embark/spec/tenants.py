"""`spec.tenants`: who shares the cache, and how many misses a second each may have filled."""

from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from embark.spec.identities import Identity
from embark.spec.model import Model

DEFAULT_TENANT: Final = "default"
"""Whose every call is that is of no other tenant; without a quota unless the spec gives it one."""

TenantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9\-]*[a-z0-9])?$", max_length=63)]
_MOST: Final = 1_000_000_000


class Tenant(Model):
    """One entry of `spec.tenants`; the quota is of one replica of EmbArk."""

    name: TenantName = Field(
        description="Under mTLS a label; without, calls name it in the metadata embark-tenant, which anyone may. "
        "default: every call of no other tenant."
    )
    identities: tuple[Identity, ...] = Field(
        default=(),
        max_length=16,
        description="Of client certificates: SPIFFE URIs, DNS names or common names; * is any text without a slash. "
        "The first tenant that has a call's identity counts.",
    )
    misses_per_second: int = Field(
        ge=1, le=_MOST, description="Misses that one replica of EmbArk asks for; those beyond are answered SHED."
    )
    burst: int = Field(default=0, ge=0, le=_MOST, description="Misses at once; 0: as many as in a second.")


def _check_names(tenants: tuple[Tenant, ...]) -> tuple[Tenant, ...]:
    for name, count in Counter(tenant.name for tenant in tenants).items():
        if count > 1:
            raise ValueError(f"the tenant {name} is given twice")
    return tenants


Tenants = Annotated[tuple[Tenant, ...], AfterValidator(_check_names)]
