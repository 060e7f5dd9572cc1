"""The Certificate that cert-manager keeps the Secret of spec.tls by, where the spec names an issuer; called by `build`.

Without an issuer somebody else makes the Secret and renews it. Pods read it anew either way: none is replaced.
"""

from typing import Final

from embark.settings.caches import tls_server_name
from embark.spec import EmbeddingCache
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import CERTIFICATE
from embark_operator.manifests.children import Component, build_child
from embark_operator.names import Manifest, embark_headless_name, embark_name

_GROUP: Final = "cert-manager.io"
# Of a name's forms within a cluster; its own domain is `cluster.local` unless somebody changed it.
_SUFFIXES: Final = ("", ".svc", ".svc.cluster.local")


def needs_certificate(cache: EmbeddingCache) -> bool:
    """Return whether the spec asks for a Certificate."""
    return bool(cache.spec.tls.secret and cache.spec.tls.issuer.name)


def build_certificate(cache: EmbeddingCache, uid: str, apis: Apis) -> list[Manifest]:
    """Return the Certificate `<cache>-tls`, nothing where the spec asks for none or the cluster does not serve them.

    One key for EmbArk, KFC and Retina: KFC shows it to Retina, which asks every caller for one under mTLS.
    """
    if not needs_certificate(cache) or apis.lack(CERTIFICATE):
        return []
    tls = cache.spec.tls
    spec = {
        "secretName": tls.secret,
        "dnsNames": list(dict.fromkeys(_names(cache))),
        "issuerRef": {"group": _GROUP, "kind": tls.issuer.kind.value, "name": tls.issuer.name},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth", "client auth"],
    }
    component = Component(cache, uid, "tls", f"{cache.metadata.name}-tls")
    return [build_child(component, CERTIFICATE.api_version, CERTIFICATE.name, {"spec": spec})]


def _names(cache: EmbeddingCache) -> list[str]:
    namespace = cache.metadata.namespace
    services = (embark_name(cache), embark_headless_name(cache))
    reached = [f"{service}.{namespace}{suffix}" for service in services for suffix in _SUFFIXES]
    return [tls_server_name(cache), *reached]
