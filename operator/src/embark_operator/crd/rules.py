"""The CEL rules of the CRD: what the validators of `embark.spec` check, for the API server to check; read by schemas.

A rule stands at the field that the validator's fault names.
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
_BOUNDS: Final = _rule("self.min <= self.max", "min is over max")
_ONE_SCALING: Final = _rule(
    "!(has(self.replicas) && has(self.autoscaling))", "replicas and autoscaling are both given; give one of them"
)
_ENCODER: Final = [
    _rule(
        f"(self.preprocessing in [{_TEXT_PROFILES}]) == (self.modality == 'text')",
        "preprocessing is for the other modality",
    ),
    _rule("self.role == '' || self.modality == 'text'", "role is for modality text alone"),
]


def _is_duration(value: str) -> str:
    return f"{value}.matches({_text(DURATION_PATTERN)})"


_RETRY: Final = _rule(
    # What is no duration has its own fault, and no second one here.
    f"!({_is_duration('self.initialBackoff')} && {_is_duration('self.maxBackoff')})"
    " || duration(self.initialBackoff) <= duration(self.maxBackoff)",
    "initialBackoff is over maxBackoff",
)
_MISS: Final = _rule(
    "(self.oov == 'Vector') == (self.oovVectorConfigMap != '')",
    "oovVectorConfigMap goes with oov: Vector, and only with it",
)
_RESOURCES: Final = _rule(
    "self.requests.all(name, !(name in self.limits) ||"
    " quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
    "a request is over its limit",
)

_TOLERATION: Final = [
    _rule("self.operator == 'Equal' || self.value == ''", "value is for operator Equal alone"),
    _rule("self.operator == 'Exists' || self.key != ''", "operator Equal needs a key"),
    _rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "tolerationSeconds is for effect NoExecute alone",
    ),
]

_TLS: Final = [
    # An issuer that is left out is judged before it has a name, as the default of tls.
    _rule("!has(self.issuer.name) || self.issuer.name == '' || self.secret != ''", "issuer needs secret"),
    _rule("!self.clientCertificates || self.secret != ''", "clientCertificates needs secret"),
    _rule(
        "size(self.authorizedIdentities) == 0 || self.clientCertificates",
        "authorizedIdentities needs clientCertificates",
    ),
]

# One list for each class of the spec that has a validator of its own.
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

# What only a change can break, by path; `embark validate` cannot know.
CHANGE_RULES: Final[dict[str, list[Rule]]] = {
    "spec.encoder.modality": [_rule("self == oldSelf", "modality is immutable; make another cache")],
}

# Of the keys of a map: the schema of an API server says nothing of them.
_NAMES: Final = {
    RESOURCE_PATTERN: (NAME_LENGTH, "no name of a container's resource, as cpu, memory or nvidia.com/gpu"),
    LABEL_NAME_PATTERN: (LABELS_LENGTH, "no name of a label, as zone or example.com/zone"),
}
_NETWORK: Final = [
    _rule("isCIDR(self) && cidr(self).masked() == cidr(self)", "not a CIDR, or host bits are set"),
]


def rules_of_value(schema: Schema) -> list[Rule]:
    """Return the rules of one duration, size, CIDR, map or list of tenants, told by its form."""
    if schema.get("items", {}).get("$ref", "").endswith(f"/{Tenant.__name__}"):
        return _TENANTS
    if schema.get("pattern") == NETWORK_PATTERN:
        return _NETWORK
    for pattern in schema.get("patternProperties", {}):
        longest, message = _NAMES[pattern]
        return [_rule(f"self.all(name, size(name) <= {longest} && name.matches({_text(pattern)}))", message)]
    if "x-least" not in schema:
        return []
    least, most = schema["x-least"], schema["x-most"]
    if schema["pattern"] == DURATION_PATTERN:
        bounds = f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
        return [_rule(f"{_is_duration('self')} && {bounds}", f"must be a duration between {least} and {most}")]
    bounds = " && ".join(
        f"quantity(string(self)).compareTo(quantity('{bound}')) {relation} 0"
        for bound, relation in ((least, ">="), (most, "<="))
    )
    is_size = f"string(self).matches({_text(SIZE_PATTERN)})"
    return [_rule(f"{is_size} && {bounds}", f"must be a size between {least} and {most}")]
