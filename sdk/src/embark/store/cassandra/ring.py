"""The ring of a Cassandra cluster as the store uses it: keys by replica for look-ups, token ranges for scans."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from embark.store.ranges import FIRST_TOKEN, LAST_TOKEN, TokenRange

WHOLE_RING: Final = TokenRange(FIRST_TOKEN, LAST_TOKEN)


def groups_by_replica(metadata: Any, keyspace: str, keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the keys in groups of at most `size` that one replica holds, so that no coordinator must ask another."""
    by_replica: dict[Any, list[str]] = defaultdict(list)
    if len(metadata.all_hosts()) == 1:
        by_replica[None] = list(keys)
    else:
        for key in keys:
            replicas = metadata.get_replicas(keyspace, key.encode())
            by_replica[replicas[0] if replicas else None].append(key)
    for group in by_replica.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def token_ranges(metadata: Any, token_range: TokenRange = WHOLE_RING) -> Sequence[tuple[int, int]]:
    """Return ranges (first token excluded, last token) that cover `token_range`, each held by the same replicas."""
    ring = [token.value for token in metadata.token_map.ring] if metadata.token_map else []
    bounds = [
        token_range.start,
        *sorted(token for token in ring if token_range.start < token < token_range.end),
        token_range.end,
    ]
    return [(begin, end) for begin, end in pairwise(bounds) if begin < end]
