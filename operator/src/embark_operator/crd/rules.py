"""The CEL rules of the CRD, by which the API server checks what the validators of `embark.spec` check.

A rule is at the field that the validator's error names.
"""

from typing import Any, Final

from embark.spec.autoscaling import CpuAutoscaling, LagAutoscaling, RetinaAutoscaling
from embark.spec.backends import Retry
from embark.spec.encoder import Encoder, Modality, Preprocessing
from embark.spec.labels import LABEL_NAME_PATTERN, LABELS_LENGTH
from embark.spec.model import Model
from embark.spec.networks import NETWORK_PATTERN
from embark.spec.quantities import DURATION_PATTERN, SIZE_PATTERN
from embark.spec.resources import NAME_LENGTH, RESOURCE_PATTERN, Resources
from embark.spec.scheduling import Toleration
from embark.spec.serving import EmbArk, Kfc, Miss, Retina
from embark.spec.tenants import Tenant
from embark.spec.tls import Tls

Schema = dict[str, Any]
Rule = dict[str, str]


def _rule(rule: str, message: str) -> Rule:
    return {"rule": rule, "message": message}


def _text(value: str) -> str:
    """Return `value` as a literal of CEL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_TEXT_PROFILES: Final = ", ".join(_text(p) for p in Preprocessing if p.modality is Modality.TEXT)
_BOUNDS: Final = _rule("self.min <= self.max", "min exceeds max")
_ONE_SCALING: Final = _rule(
    "!(has(self.replicas) && has(self.autoscaling))", "replicas and autoscaling are mutually exclusive; set one of them"
)
_ENCODER: Final = [
    _rule(
        f"(self.preprocessing in [{_TEXT_PROFILES}]) == (self.modality == 'text')",
        "preprocessing is for the other modality",
    ),
    _rule("self.role == '' || self.modality == 'text'", "role is only allowed with modality text"),
]


def _is_duration(value: str) -> str:
    return f"{value}.matches({_text(DURATION_PATTERN)})"


_RETRY: Final = _rule(
    # Text that is not a duration has an error of its own; there is no second one here.
    f"!({_is_duration('self.initialBackoff')} && {_is_duration('self.maxBackoff')})"
    " || duration(self.initialBackoff) <= duration(self.maxBackoff)",
    "initialBackoff exceeds maxBackoff",
)
_MISS: Final = _rule(
    "(self.oov == 'Vector') == (self.oovVectorConfigMap != '')",
    "oovVectorConfigMap is required with oov: Vector, and only allowed with it",
)
_RESOURCES: Final = _rule(
    "self.requests.all(name, !(name in self.limits) ||"
    " quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
    "a request exceeds its limit",
)

_TOLERATION: Final = [
    _rule("self.operator == 'Equal' || self.value == ''", "value is only allowed with operator Equal"),
    _rule("self.operator == 'Exists' || self.key != ''", "operator Equal requires a key"),
    _rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "tolerationSeconds is only allowed with effect NoExecute",
    ),
]

_TLS: Final = [
    # The default of tls is checked before the issuer in it has a name.
    _rule("!has(self.issuer.name) || self.issuer.name == '' || self.secret != ''", "issuer requires secret"),
    _rule("!self.clientCertificates || self.secret != ''", "clientCertificates requires secret"),
    _rule(
        "size(self.authorizedIdentities) == 0 || self.clientCertificates",
        "authorizedIdentities requires clientCertificates",
    ),
]

# One list for each class of the spec with a validator.
CLASS_RULES: Final[dict[type[Model], list[Rule]]] = {
    Encoder: _ENCODER,
    Retry: [_RETRY],
    Miss: [_MISS],
    Resources: [_RESOURCES],
    EmbArk: [_ONE_SCALING],
    Kfc: [_ONE_SCALING],
    Retina: [_ONE_SCALING],
    CpuAutoscaling: [_BOUNDS],
    RetinaAutoscaling: [_BOUNDS],
    LagAutoscaling: [_BOUNDS],
    Toleration: _TOLERATION,
    Tls: _TLS,
}

_TENANTS: Final = [
    _rule("self.all(one, self.exists_one(other, one.name == other.name))", "a tenant is given twice"),
]

# Rules about changes, by path; `embark validate` cannot check them.
CHANGE_RULES: Final[dict[str, list[Rule]]] = {
    "spec.encoder.modality": [_rule("self == oldSelf", "modality is immutable; create another cache")],
}

# The keys of maps, which a structural schema cannot restrict.
_NAMES: Final = {
    RESOURCE_PATTERN: (NAME_LENGTH, "not the name of a container resource such as cpu, memory or nvidia.com/gpu"),
    LABEL_NAME_PATTERN: (LABELS_LENGTH, "not the name of a label such as zone or example.com/zone"),
}
_NETWORK: Final = [
    _rule("isCIDR(self) && cidr(self).masked() == cidr(self)", "not a CIDR, or host bits are set"),
]


def build_value_rules(schema: Schema) -> list[Rule]:
    """Return the rules of a duration, size, CIDR, map or list of tenants, recognized by its schema."""
    if schema.get("items", {}).get("$ref", "").endswith(f"/{Tenant.__name__}"):
        return _TENANTS
    if schema.get("pattern") == NETWORK_PATTERN:
        return _NETWORK
    for pattern in schema.get("patternProperties", {}):
        max_length, message = _NAMES[pattern]
        return [_rule(f"self.all(name, size(name) <= {max_length} && name.matches({_text(pattern)}))", message)]
    if "x-min" not in schema:
        return []
    minimum, maximum = schema["x-min"], schema["x-max"]
    if schema["pattern"] == DURATION_PATTERN:
        bounds = f"duration(self) >= duration('{minimum}') && duration(self) <= duration('{maximum}')"
        return [_rule(f"{_is_duration('self')} && {bounds}", f"must be a duration between {minimum} and {maximum}")]
    bounds = " && ".join(
        f"quantity(string(self)).compareTo(quantity('{bound}')) {relation} 0"
        for bound, relation in ((minimum, ">="), (maximum, "<="))
    )
    is_size = f"string(self).matches({_text(SIZE_PATTERN)})"
    return [_rule(f"{is_size} && {bounds}", f"must be a size between {minimum} and {maximum}")]
