"""The conditions and the phase of a cache, from what was observed."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from embark.rollout.state import RolloutPhase, RolloutState
from embark.spec import EmbeddingCache
from embark.spec.serving import MeshProvider
from embark.spec.status import ACCEPTED, Condition
from embark_operator.observe.observed import Observed, SchemaStatus, WorkloadStatus


class Phase(StrEnum):
    """The state of a cache in one word."""

    INVALID = "Invalid"
    PAUSED = "Paused"
    PENDING = "Pending"
    ROLLING = "Rolling"
    READY = "Ready"
    DEGRADED = "Degraded"
    DELETING = "Deleting"


READY: Final = "Ready"
KEYSPACE_DROPPED: Final = "KeyspaceDropped"
DROP_FAILED: Final = "DropFailed"
"""A reason of KEYSPACE_DROPPED."""
_ROLLED_OUT: Final = "RolledOut"
_MESH: Final = "MeshReady"
_CERTIFICATE: Final = "CertificateReady"
_SCALES_TO_ZERO: Final = "ScalesToZero"
_OPTIONAL: Final = (_MESH, _CERTIFICATE, _SCALES_TO_ZERO)
_SETTLED: Final = (RolloutPhase.STEADY, RolloutPhase.HOLDING)
_TRUE, _FALSE, _UNKNOWN = "True", "False", "Unknown"


class Finding(NamedTuple):
    """A condition without its generation and time."""

    type: str
    status: str
    reason: str
    message: str = ""


def accepted() -> Finding:
    """Return the finding about a valid spec."""
    return Finding(ACCEPTED, _TRUE, "Valid")


def refused(message: str) -> Sequence[Finding]:
    """Return the findings about a spec that is not accepted; the children stay unchanged."""
    return (
        Finding(ACCEPTED, _FALSE, "InvalidSpec", message),
        Finding(READY, _FALSE, "InvalidSpec", "the spec is not accepted; the last accepted one stays in effect"),
    )


def failed(message: str) -> Sequence[Finding]:
    """Return the findings about children that could not be applied."""
    return (accepted(), Finding(READY, _FALSE, "ApplyFailed", message))


def deleting(reason: str, message: str, *, dropped: bool = False) -> Sequence[Finding]:
    """Return the findings about a cache that is being deleted together with its keyspace."""
    return (
        Finding(KEYSPACE_DROPPED, _TRUE if dropped else _FALSE, reason, message),
        Finding(READY, _FALSE, "Deleting", message),
    )


def meshed(cache: EmbeddingCache, missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about the cache's mesh, if it has one."""
    provider = cache.spec.mesh.provider
    if provider is MeshProvider.NONE:
        return ()
    if not missing_apis:
        return (Finding(_MESH, _TRUE, "Configured"),)
    message = f"this cluster does not serve {', '.join(missing_apis)}: install {provider}, or set no mesh.provider"
    return (Finding(_MESH, _FALSE, "ApiMissing", message),)


def certified(missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about a Certificate that cannot be created, if there is one."""
    if not missing_apis:
        return ()
    message = f"this cluster does not serve {', '.join(missing_apis)}: install cert-manager, or set no tls.issuer"
    return (Finding(_CERTIFICATE, _FALSE, "ApiMissing", message),)


def scales_to_zero(fields: Sequence[str], missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about the `fields` that allow a component to scale to zero, if there are any.

    It does not affect Ready: a cache with one pod too many works.
    """
    if not fields:
        return ()
    if not missing_apis:
        return (Finding(_SCALES_TO_ZERO, _TRUE, "ScaledByKeda"),)
    missing = ", ".join(missing_apis)
    message = f"this cluster does not serve {missing}: install KEDA; {' and '.join(fields)} count as 1"
    return (Finding(_SCALES_TO_ZERO, _FALSE, "ApiMissing", message),)


def find_conditions(
    observed: Observed, rollout: RolloutState, required: Sequence[Finding] = (), optional: Sequence[Finding] = ()
) -> Sequence[Finding]:
    """Return every condition of a cache whose children were applied, Ready last.

    Ready depends on the `required` findings, but neither on the `optional` ones nor on a rollout.
    """
    findings = (
        *_backends(observed.schema),
        _workload("EmbArkReady", observed.embark),
        _workload("KfcReady", observed.kfc),
        _workload("RetinaReady", observed.retina),
        *required,
    )
    missing = [finding for finding in findings if finding.status != _TRUE]
    if missing:
        first = missing[0]
        ready = Finding(READY, _FALSE, first.type.replace("Ready", "NotReady"), first.message)
    else:
        ready = Finding(READY, _TRUE, "AllReady")
    settled = _TRUE if rollout.phase in _SETTLED else _FALSE
    rolled_out = Finding(_ROLLED_OUT, settled, str(rollout.phase), rollout.status.message)
    return (accepted(), *findings, *optional, rolled_out, ready)


def choose_phase(findings: Sequence[Finding], observed: Observed | None, rollout: RolloutPhase, *, paused: bool) -> str:
    """Return the phase of an accepted cache with these findings: that of the rollout while there is one."""
    by_type = {finding.type: finding.status == _TRUE for finding in findings}
    if paused:
        return Phase.PAUSED
    if not by_type[READY] or observed is None:
        return Phase.DEGRADED if by_type.get("EmbArkReady") else Phase.PENDING
    if rollout not in _SETTLED:
        return str(rollout)
    rolled = all(workload.rolled for workload in (observed.embark, observed.kfc, observed.retina))
    return Phase.READY if rolled else Phase.ROLLING


def date_conditions(
    findings: Sequence[Finding], previous: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the findings as conditions; the transition time changes only with the status."""
    before = {condition.type: condition for condition in previous}
    current = []
    for finding in findings:
        old = before.pop(finding.type, None)
        since = old.last_transition_time if old and old.status == finding.status else now
        current.append(
            Condition(
                type=finding.type,
                status=finding.status,
                reason=finding.reason,
                message=finding.message,
                observed_generation=generation,
                last_transition_time=since,
            )
        )
    # Keep the conditions that this reconcile has no finding about, except optional ones after a complete observation.
    complete = any(finding.type == _ROLLED_OUT for finding in findings)
    kept = [condition for condition in before.values() if not (complete and condition.type in _OPTIONAL)]
    return (*kept, *current)


def _backends(schema: SchemaStatus) -> tuple[Finding, Finding]:
    store, topic = "StoreReady", "TopicReady"
    if schema.done:
        return Finding(store, _TRUE, "SchemaDone"), Finding(topic, _TRUE, "SchemaDone")
    if schema.server == "topic":
        return Finding(store, _TRUE, "SchemaDone"), Finding(topic, _FALSE, "SchemaFailed", schema.why)
    if schema.why:
        pending = "the schema command creates tables before topics, and has not reached the topics"
        return Finding(store, _FALSE, "SchemaFailed", schema.why), Finding(topic, _UNKNOWN, "SchemaPending", pending)
    pending = "the schema command is still running"
    return Finding(store, _UNKNOWN, "SchemaPending", pending), Finding(topic, _UNKNOWN, "SchemaPending", pending)


def _workload(kind: str, workload: WorkloadStatus) -> Finding:
    count = f"{workload.ready} of {workload.wanted} replicas are ready"
    message = f"{count}; {workload.why}" if workload.why else count
    if workload.wanted == 0:
        return Finding(kind, _TRUE, "ScaledToZero", "scaled to 0 replicas")
    if workload.ready == 0:
        return Finding(kind, _FALSE, "NotReady", message)
    return Finding(kind, _TRUE, "Ready" if workload.rolled else "Rolling", "" if workload.rolled else message)
