"""The status of a cache as lines for people and as JSON for programs; pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from embark.cli.tables import table
from embark.names import cache_name
from embark.rollout.state import RolloutPhase
from embark.space import space_of
from embark.spec import EmbeddingCache
from embark.spec.status import SpaceRecord
from embark_operator.cli.amounts import span
from embark_operator.cli.endings import refusal_of
from embark_operator.cli.progress import Pace

_BAR: Final = 50
_COUNTED: Final = (RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING, RolloutPhase.HALTED)


def lines_of(cache: EmbeddingCache, pace: Pace, now: datetime) -> Sequence[str]:
    """Return the status in lines; times are told as seen from `now`."""
    status, rollout = cache.status, cache.status.rollout
    since = f" for {_age(rollout.since, now)}" if rollout.since else ""
    lines = [f"{cache_name(cache)}: {rollout.phase}{since}"]
    if rollout.message:
        lines.append(f"  {_message(cache)}")
    lines += [f"  {notice}" for notice in _notices(cache)]
    rows = list(_spaces(cache, now))
    if rows:
        lines += [f"  {line}" for line in table(rows).splitlines()]
    elif not status.spaces.active:
        lines.append("  no space is served yet")
    if rollout.phase in _COUNTED and rollout.total:
        lines += [f"  {_bar(cache)}", f"  {_counts(cache, pace)}"]
    return lines


def line_of(cache: EmbeddingCache, pace: Pace) -> str:
    """Return the status in one line."""
    rollout = cache.status.rollout
    parts = [f"{cache_name(cache)}: {rollout.phase}"]
    if rollout.phase in _COUNTED and rollout.total:
        parts.append(_counts(cache, pace))
    candidate = cache.status.spaces.candidate
    if candidate:
        parts.append(f"candidate {candidate.id}, coverage {_percent(candidate.coverage)}")
    parts += [*_notices(cache), *([_message(cache)] if rollout.message else [])]
    return "; ".join(parts)


def json_of(cache: EmbeddingCache, pace: Pace) -> dict[str, Any]:
    """Return the status for programs: as in the cache, the encoders left out, with keys/s and seconds."""
    status = cache.status.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"observed_generation", "spaces", "rollout", "cache"},
        exclude={"spaces": {role: {"encoder"} for role in ("active", "candidate", "previous", "dropped")}},
    )
    told = {"namespace": cache.metadata.namespace, "name": cache.metadata.name, **status}
    return told | {"paused": cache.spec.rollout.paused, "keysPerSecond": pace.rate, "etaSeconds": pace.eta}


def _notices(cache: EmbeddingCache) -> Iterator[str]:
    """Say what keeps a rollout from going on that its own message may not say."""
    status = cache.status
    refused = refusal_of(cache)
    if refused:
        yield f"the spec is not accepted: {refused}"
    if cache.spec.paused:
        yield "spec.paused is true: the operator does nothing"
    elif status.observed_generation < cache.metadata.generation:
        yield "the operator has not seen the last change of the spec yet"
    elif cache.spec.rollout.paused and "paused" not in status.rollout.message:
        yield "spec.rollout.paused is true: no key is re-embedded"


def _message(cache: EmbeddingCache) -> str:
    """Return what the rollout says, in one line; it may hold the last words of a pod."""
    return " ".join(cache.status.rollout.message.split())


def _spaces(cache: EmbeddingCache, now: datetime) -> Iterator[list[str]]:
    spaces = cache.status.spaces
    if spaces.active:
        yield _row("active", spaces.active, f"for {_age(spaces.active.since, now)}" if spaces.active.since else "")
    if spaces.candidate:
        yield _row("candidate", spaces.candidate, f"coverage {_percent(spaces.candidate.coverage)}")
    if spaces.previous:
        until = spaces.previous.kept_until
        left = f", {span((until - now).total_seconds())} more" if until else ""
        yield _row("previous", spaces.previous, f"kept until {_stamp(until)}{left}" if until else "kept")
    if spaces.dropped:
        yield _row("dropped", spaces.dropped, "its data goes" if spaces.dropped.released else "once nothing reads it")


def _row(title: str, space: SpaceRecord, said: str) -> list[str]:
    dimension = space_of(space.encoder).dimension
    return [title, space.id, f"{space.encoder.model.name}, {dimension}", said]


def _bar(cache: EmbeddingCache) -> str:
    rollout = cache.status.rollout
    full = min(_BAR, _BAR * _over(cache) // rollout.total)
    return f"[{'#' * full}{'-' * (_BAR - full)}] {min(1.0, _over(cache) / rollout.total):.1%}"


def _over(cache: EmbeddingCache) -> int:
    return cache.status.rollout.done + cache.status.rollout.failed


def _counts(cache: EmbeddingCache, pace: Pace) -> str:
    rollout = cache.status.rollout
    counts = f"{_over(cache):,} of {rollout.total:,} keys, {rollout.failed:,} failed"
    if rollout.phase != RolloutPhase.REEMBEDDING or cache.spec.rollout.paused:
        return counts
    rate = "rate not known yet" if pace.rate is None else f"{pace.rate:,.1f} keys/s"
    eta = "ETA not known yet" if pace.eta is None else f"ETA {span(pace.eta)}"
    return f"{counts}, {rate}, {eta}"


def _percent(share: str) -> str:
    try:
        return f"{float(share):.2%}"
    except ValueError:
        return share


def _age(since: datetime | None, now: datetime) -> str:
    return span((now - since).total_seconds()) if since else ""


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S %Z")
