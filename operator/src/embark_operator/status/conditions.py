"""The conditions and the phase of a cache, from what was observed; pure."""

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
    """A cache in one word, for people."""

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
"""Reason of KEYSPACE_DROPPED."""
_ROLLED_OUT: Final = "RolledOut"
_MESH: Final = "MeshReady"
_CERTIFICATE: Final = "CertificateReady"
_SCALES_TO_ZERO: Final = "ScalesToZero"
_OPTIONAL: Final = (_MESH, _CERTIFICATE, _SCALES_TO_ZERO)
_SETTLED: Final = (RolloutPhase.STEADY, RolloutPhase.HOLDING)
_TRUE, _FALSE, _UNKNOWN = "True", "False", "Unknown"


class Finding(NamedTuple):
    """A condition before it has a generation and a time."""

    type: str
    status: str
    reason: str
    message: str = ""


def accepted() -> Finding:
    """Return the finding about a spec that can be carried out."""
    return Finding(ACCEPTED, _TRUE, "Valid")


def refused(message: str) -> Sequence[Finding]:
    """Return the findings about a spec that cannot be carried out; the children stay as they are."""
    return (
        Finding(ACCEPTED, _FALSE, "InvalidSpec", message),
        Finding(READY, _FALSE, "InvalidSpec", "the spec is not accepted; what ran before it goes on"),
    )


def failed(message: str) -> Sequence[Finding]:
    """Return the findings about children that could not be applied."""
    return (accepted(), Finding(READY, _FALSE, "ApplyFailed", message))


def deleting(reason: str, message: str, *, dropped: bool = False) -> Sequence[Finding]:
    """Return the findings about a cache that is deleted and whose keyspace goes with it."""
    return (
        Finding(KEYSPACE_DROPPED, _TRUE if dropped else _FALSE, reason, message),
        Finding(READY, _FALSE, "Deleting", message),
    )


def meshed(cache: EmbeddingCache, missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about the cache's mesh; none where it has no mesh."""
    provider = cache.spec.mesh.provider
    if provider is MeshProvider.NONE:
        return ()
    if not missing_apis:
        return (Finding(_MESH, _TRUE, "Configured"),)
    message = (
        f"this cluster does not serve {', '.join(missing_apis)}, which {provider} brings; what they are for is off"
    )
    return (Finding(_MESH, _FALSE, "ApiMissing", message),)


def certified(missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about a Certificate that cannot be made; none where nothing is wrong."""
    if not missing_apis:
        return ()
    message = f"this cluster does not serve {', '.join(missing_apis)}: install cert-manager, or name no tls.issuer"
    return (Finding(_CERTIFICATE, _FALSE, "ApiMissing", message),)


def scales_to_zero(fields: Sequence[str], missing_apis: Sequence[str]) -> Sequence[Finding]:
    """Return the finding about the `fields` that let a component have no replicas; none where there is none.

    A cache with a pod too many works, so it is no less ready.
    """
    if not fields:
        return ()
    if not missing_apis:
        return (Finding(_SCALES_TO_ZERO, _TRUE, "ScaledByKeda"),)
    message = f"this cluster does not serve {', '.join(missing_apis)}: install KEDA; {' and '.join(fields)} count as 1"
    return (Finding(_SCALES_TO_ZERO, _FALSE, "ApiMissing", message),)


def find_conditions(
    observed: Observed, rollout: RolloutState, others: Sequence[Finding] = (), notes: Sequence[Finding] = ()
) -> Sequence[Finding]:
    """Return every condition of a cache whose children are applied, Ready last; a rollout does not make it unready.

    The cache is not Ready without the `others`; of the `notes` it is independent.
    """
    parts = (
        *_servers(observed.schema),
        _part("EmbArkReady", observed.embark),
        _part("KfcReady", observed.kfc),
        _part("RetinaReady", observed.retina),
        *others,
    )
    missing = [finding for finding in parts if finding.status != _TRUE]
    if missing:
        first = missing[0]
        ready = Finding(READY, _FALSE, first.type.replace("Ready", "NotReady"), first.message)
    else:
        ready = Finding(READY, _TRUE, "AllReady")
    over = _TRUE if rollout.phase in _SETTLED else _FALSE
    rolled_out = Finding(_ROLLED_OUT, over, str(rollout.phase), rollout.status.message)
    return (accepted(), *parts, *notes, rolled_out, ready)


def choose_phase(findings: Sequence[Finding], observed: Observed | None, rollout: RolloutPhase, *, paused: bool) -> str:
    """Return the phase that goes with the findings about an accepted cache: the rollout's, if there is one."""
    by_type = {finding.type: finding.status == _TRUE for finding in findings}
    if paused:
        return Phase.PAUSED
    if not by_type[READY] or observed is None:
        return Phase.DEGRADED if by_type.get("EmbArkReady") else Phase.PENDING
    if rollout not in _SETTLED:
        return str(rollout)
    rolled = all(part.rolled for part in (observed.embark, observed.kfc, observed.retina))
    return Phase.READY if rolled else Phase.ROLLING


def date_conditions(
    findings: Sequence[Finding], previous: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the findings as conditions; the time of transition moves only where the status has changed."""
    before = {condition.type: condition for condition in previous}
    fresh = []
    for finding in findings:
        old = before.pop(finding.type, None)
        since = old.last_transition_time if old and old.status == finding.status else now
        fresh.append(
            Condition(
                type=finding.type,
                status=finding.status,
                reason=finding.reason,
                message=finding.message,
                observed_generation=generation,
                last_transition_time=since,
            )
        )
    # What this pass found nothing about is as it was, but for what a cache may have no more after a whole look.
    whole = any(finding.type == _ROLLED_OUT for finding in findings)
    kept = [condition for condition in before.values() if not (whole and condition.type in _OPTIONAL)]
    return (*kept, *fresh)


def _servers(schema: SchemaStatus) -> tuple[Finding, Finding]:
    store, topic = "StoreReady", "TopicReady"
    if schema.done:
        return Finding(store, _TRUE, "SchemaDone"), Finding(topic, _TRUE, "SchemaDone")
    if schema.server == "topic":
        return Finding(store, _TRUE, "SchemaDone"), Finding(topic, _FALSE, "SchemaFailed", schema.why)
    if schema.why:
        waits = "the schema command makes tables before topics, and has not come so far"
        return Finding(store, _FALSE, "SchemaFailed", schema.why), Finding(topic, _UNKNOWN, "SchemaPending", waits)
    waits = "the schema command has not ended yet"
    return Finding(store, _UNKNOWN, "SchemaPending", waits), Finding(topic, _UNKNOWN, "SchemaPending", waits)


def _part(kind: str, part: WorkloadStatus) -> Finding:
    count = f"{part.ready} of {part.wanted} replicas are ready"
    said = f"{count}; {part.why}" if part.why else count
    if part.wanted == 0:
        return Finding(kind, _TRUE, "ScaledToZero", "no replicas are wanted")
    if part.ready == 0:
        return Finding(kind, _FALSE, "NotReady", said)
    return Finding(kind, _TRUE, "Ready" if part.rolled else "Rolling", "" if part.rolled else said)
