"""The Certificate by which cert-manager renews the Secret of spec.tls, if the spec names an issuer.

Without an issuer, the Secret is created and renewed by other means. Pods reload it either way; none is replaced.
"""

from typing import Final

from embark.settings.caches import tls_server_name
from embark.spec import EmbeddingCache
from embark_operator.cluster.kinds import CERTIFICATE
from embark_operator.manifests.children import build_child
from embark_operator.manifests.context import BuildContext
from embark_operator.names import Manifest, embark_headless_name, embark_name

_GROUP: Final = "cert-manager.io"
# The forms of a Service's name within a cluster, with the default cluster domain.
_SUFFIXES: Final = ("", ".svc", ".svc.cluster.local")


def needs_certificate(cache: EmbeddingCache) -> bool:
    """Return whether the spec requires a Certificate."""
    return bool(cache.spec.tls.secret and cache.spec.tls.issuer.name)


def build_certificate(context: BuildContext) -> list[Manifest]:
    """Return the Certificate `<cache>-tls`, if the spec requires one and the cluster serves Certificates.

    EmbArk, KFC and Retina share one key: KFC presents it to Retina, which requires one of every caller under mTLS.
    """
    cache = context.cache
    if not needs_certificate(cache) or context.apis.missing(CERTIFICATE):
        return []
    tls = cache.spec.tls
    spec = {
        "secretName": tls.secret,
        "dnsNames": list(dict.fromkeys(_names(cache))),
        "issuerRef": {"group": _GROUP, "kind": tls.issuer.kind.value, "name": tls.issuer.name},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth", "client auth"],
    }
    component = context.component("tls", f"{cache.metadata.name}-tls")
    return [build_child(component, CERTIFICATE.api_version, CERTIFICATE.name, {"spec": spec})]


def _names(cache: EmbeddingCache) -> list[str]:
    namespace = cache.metadata.namespace
    services = (embark_name(cache), embark_headless_name(cache))
    names = [f"{service}.{namespace}{suffix}" for service in services for suffix in _SUFFIXES]
    return [tls_server_name(cache), *names]
