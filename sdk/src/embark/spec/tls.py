"""`spec.tls`: TLS of gRPC between clients, EmbArk, KFC and Retina without a mesh."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from embark.spec.backends import SecretName
from embark.spec.identities import Identity
from embark.spec.model import Model

ServerName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?)?$", max_length=253)]


class IssuerKind(StrEnum):
    """Kinds of cert-manager's issuers."""

    ISSUER = "Issuer"
    CLUSTER_ISSUER = "ClusterIssuer"


class CertificateIssuer(Model):
    """`spec.tls.issuer`."""

    name: SecretName = Field(
        default="", description="Issuer of cert-manager; empty: the Secret is provided by other means."
    )
    kind: IssuerKind = Field(
        default=IssuerKind.ISSUER, description="Issuer, in the cache's namespace, or ClusterIssuer."
    )


class Tls(Model):
    """`spec.tls`."""

    secret: SecretName = Field(
        default="", description="Secret with tls.crt, tls.key and ca.crt of EmbArk, KFC and Retina; empty: no TLS."
    )
    issuer: CertificateIssuer = Field(
        default_factory=CertificateIssuer,
        description="Issuer of the certificate that the operator requests from cert-manager.",
    )
    server_name: ServerName = Field(
        default="", description="DNS name of the certificate, which KFC verifies; empty: <cache>.<namespace>."
    )
    client_certificates: bool = Field(
        default=False, description="mTLS: clients need a certificate signed by the Secret's ca.crt."
    )
    authorized_identities: tuple[Identity, ...] = Field(
        default=(),
        max_length=64,
        description="Clients that may call EmbArk, by the SPIFFE URI, else a DNS name, else the common name of their "
        "certificate; * matches any text without a slash; empty: any client with a certificate.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.issuer.name and not self.secret:
            raise ValueError("issuer requires secret")
        if self.client_certificates and not self.secret:
            raise ValueError("clientCertificates requires secret")
        if self.authorized_identities and not self.client_certificates:
            raise ValueError("authorizedIdentities requires clientCertificates")
        return self
