"""The status of a cache: lines for people, JSON for programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from embark.cli.rollout.amounts import format_seconds
from embark.cli.rollout.outcome import find_rejection
from embark.cli.rollout.progress import ReembeddingRate
from embark.cli.text import format_columns
from embark.names import cache_name
from embark.rollout.state import RolloutPhase
from embark.space import Space
from embark.spec import EmbeddingCache
from embark.spec.status import SpaceRecord

_BAR: Final = 50
_COUNTED: Final = (RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING, RolloutPhase.HALTED)


def format_status(cache: EmbeddingCache, rate: ReembeddingRate, now: datetime) -> Sequence[str]:
    """Return the status in lines, with ages as of `now`."""
    status, rollout = cache.status, cache.status.rollout
    since = f" for {_age(rollout.since, now)}" if rollout.since else ""
    lines = [f"{cache_name(cache)}: {rollout.phase}{since}"]
    if rollout.message:
        lines.append(f"  {_message(cache)}")
    lines += [f"  {notice}" for notice in _notices(cache)]
    rows = list(_spaces(cache, now))
    if rows:
        lines += [f"  {line}" for line in format_columns(rows).splitlines()]
    elif not status.spaces.active:
        lines.append("  no space is served yet")
    if rollout.phase in _COUNTED and rollout.total:
        lines += [f"  {_bar(cache)}", f"  {_counts(cache, rate)}"]
    return lines


def format_status_line(cache: EmbeddingCache, rate: ReembeddingRate) -> str:
    """Return the status in one line."""
    rollout = cache.status.rollout
    parts = [f"{cache_name(cache)}: {rollout.phase}"]
    if rollout.phase in _COUNTED and rollout.total:
        parts.append(_counts(cache, rate))
    candidate = cache.status.spaces.candidate
    if candidate:
        parts.append(f"candidate {candidate.id}, coverage {_percent(candidate.coverage)}")
    parts += [*_notices(cache), *([_message(cache)] if rollout.message else [])]
    return "; ".join(parts)


def status_to_json(cache: EmbeddingCache, rate: ReembeddingRate) -> dict[str, Any]:
    """Return the cache's status without the encoders, with the rate and the time left."""
    status = cache.status.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"observed_generation", "spaces", "rollout", "cache"},
        exclude={"spaces": {role: {"encoder"} for role in ("active", "candidate", "previous", "dropped")}},
    )
    return {
        "namespace": cache.metadata.namespace,
        "name": cache.metadata.name,
        **status,
        "paused": cache.spec.rollout.paused,
        "keysPerSecond": rate.keys_per_second,
        "etaSeconds": rate.seconds_left,
    }


def _notices(cache: EmbeddingCache) -> Iterator[str]:
    """Yield what holds the rollout up and its own message may leave out."""
    status = cache.status
    rejection = find_rejection(cache)
    if rejection:
        yield f"the spec is not accepted: {rejection}"
    if cache.spec.paused:
        yield "spec.paused is true: the cache is not reconciled"
    elif status.observed_generation < cache.metadata.generation:
        yield "the last change of the spec has not been picked up yet"
    elif cache.spec.rollout.paused and "paused" not in status.rollout.message:
        yield "spec.rollout.paused is true: the re-embedding is paused"


def _message(cache: EmbeddingCache) -> str:
    """Return the rollout's message on one line; it may quote the termination message of a pod."""
    return " ".join(cache.status.rollout.message.split())


def _spaces(cache: EmbeddingCache, now: datetime) -> Iterator[list[str]]:
    spaces = cache.status.spaces
    if spaces.active:
        yield _row("active", spaces.active, f"for {_age(spaces.active.since, now)}" if spaces.active.since else "")
    if spaces.candidate:
        yield _row("candidate", spaces.candidate, f"coverage {_percent(spaces.candidate.coverage)}")
    if spaces.previous:
        until = spaces.previous.kept_until
        left = f", {format_seconds((until - now).total_seconds())} left" if until else ""
        yield _row("previous", spaces.previous, f"kept until {_stamp(until)}{left}" if until else "kept")
    if spaces.dropped:
        yield _row(
            "dropped",
            spaces.dropped,
            "its data is being deleted" if spaces.dropped.released else "deleted once nothing reads it",
        )


def _row(role: str, space: SpaceRecord, state: str) -> list[str]:
    dimension = Space.from_encoder(space.encoder).dimension
    return [role, space.id, f"{space.encoder.model.name}, {dimension}", state]


def _bar(cache: EmbeddingCache) -> str:
    rollout = cache.status.rollout
    full = min(_BAR, _BAR * _processed(cache) // rollout.total)
    return f"[{'#' * full}{'-' * (_BAR - full)}] {min(1.0, _processed(cache) / rollout.total):.1%}"


def _processed(cache: EmbeddingCache) -> int:
    return cache.status.rollout.done + cache.status.rollout.failed


def _counts(cache: EmbeddingCache, rate: ReembeddingRate) -> str:
    rollout = cache.status.rollout
    counts = f"{_processed(cache):,} of {rollout.total:,} keys, {rollout.failed:,} failed"
    if rollout.phase != RolloutPhase.REEMBEDDING or cache.spec.rollout.paused:
        return counts
    speed = "rate not known yet" if rate.keys_per_second is None else f"{rate.keys_per_second:,.1f} keys/s"
    eta = "ETA not known yet" if rate.seconds_left is None else f"ETA {format_seconds(rate.seconds_left)}"
    return f"{counts}, {speed}, {eta}"


def _percent(share: str) -> str:
    try:
        return f"{float(share):.2%}"
    except ValueError:
        return share


def _age(since: datetime | None, now: datetime) -> str:
    return format_seconds((now - since).total_seconds()) if since else ""


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S %Z")
