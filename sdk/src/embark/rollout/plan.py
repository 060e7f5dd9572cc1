"""The expected duration of a re-embedding."""

from embark.spec import EmbeddingCacheSpec


def expected_seconds(spec: EmbeddingCacheSpec, keys: int, encode_seconds: float | None) -> int:
    """Return the seconds that encoding `keys` is expected to take; 0: nothing was measured yet.

    `encode_seconds` is the mean time of one key within an Encode call; every pod of the Job has spec.kfc.maxInflight
    calls in flight. The rate limit, where there is one, is a lower bound.
    """
    limit = spec.rollout.max_keys_per_second
    bounded = keys / limit if limit else 0.0
    if encode_seconds is None:
        return round(bounded)
    return round(max(bounded, keys * encode_seconds / (spec.rollout.parallelism * spec.kfc.max_inflight)))
