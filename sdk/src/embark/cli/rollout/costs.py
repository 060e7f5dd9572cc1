"""What a re-embedding takes: keys, time, the encoder's time, storage; pure. None is what nobody has measured yet."""

from dataclasses import dataclass

from embark.rollout.plan import expected_seconds
from embark.space import space_of
from embark.spec import EmbeddingCacheSpec
from embark.spec.status import EmbeddingCacheStatus


@dataclass(frozen=True, slots=True)
class Cost:
    """What encoding the keys of the active space for another space takes."""

    keys: int | None
    """To be encoded."""
    encode_seconds: float | None
    """Mean seconds of Retina for one key, measured with the encoder of the active space."""
    seconds: int | None
    """What it is expected to last."""
    at_least: bool
    """Whether `seconds` is no more than what the rate limit takes, as the encoder's time is not known."""
    encoder_hours: float | None
    """Hours in which one Retina would encode the keys one after the other."""
    stored_bytes: int | None
    """Of the vectors of all keys, once."""


def cost_of(spec: EmbeddingCacheSpec, keys: int | None, held: int | None, encode_seconds: float | None) -> Cost:
    """Return what a rollout to the encoder of `spec` takes.

    `keys` are those that have to be encoded, `held` those that the space will hold in the end.
    """
    limit = spec.rollout.max_keys_per_second
    lasts = keys is not None and (encode_seconds is not None or limit > 0)
    hours = None if keys is None or encode_seconds is None else keys * encode_seconds / 3600
    return Cost(
        keys=keys,
        encode_seconds=encode_seconds,
        seconds=expected_seconds(spec, keys, encode_seconds) if keys is not None and lasts else None,
        at_least=encode_seconds is None,
        encoder_hours=hours,
        stored_bytes=None if held is None else held * space_of(spec.encoder).form.nbytes,
    )


def entries_of(status: EmbeddingCacheStatus) -> int | None:
    """Return the embeddings of the active space; None: none were counted yet."""
    return status.cache.entries or None


def encode_seconds_of(status: EmbeddingCacheStatus) -> float | None:
    """Return the mean seconds of Retina for one key; None: not measured, or nothing that can be read."""
    try:
        seconds = float(status.cache.encode_seconds)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
