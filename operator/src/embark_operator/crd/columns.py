"""The columns that `kubectl get embc` prints."""

from typing import Any, Final

Column = dict[str, Any]

_WIDE: Final = 1  # the priority of a column that only `-o wide` shows


def _column(name: str, path: str, kind: str, description: str, priority: int = 0) -> Column:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": priority} if priority else {})


COLUMNS: Final[list[Column]] = [
    _column("READY", '.status.conditions[?(@.type=="Ready")].status', "string", "Whether lookups are served."),
    _column("MODEL", ".status.model", "string", "The model file's name."),
    _column("SPACE", ".status.spaces.active.id", "string", "The space that lookups read."),
    _column("HIT%", ".status.cache.hitPercent", "string", "Share of keys answered with their embedding."),
    _column("COVERAGE", ".status.spaces.candidate.coverage", "string", "Share of keys that a rollout has filled."),
    _column("LAG", ".status.topic.lag", "integer", "Fills requested and not done."),
    _column("PHASE", ".status.phase", "string", "What the cache is doing."),
    _column("AGE", ".metadata.creationTimestamp", "date", "Time since the cache was created."),
    _column("ENTRIES", ".status.cache.entries", "integer", "Embeddings in the active space.", _WIDE),
    _column("DEAD", ".status.topic.deadLettered", "integer", "Records in the dead-letters topic.", _WIDE),
    _column("PODS", ".status.replicas", "integer", "EmbArk's ready replicas.", _WIDE),
    _column("ENDPOINT", ".status.endpoint", "string", "host:port of EmbArk's gRPC service.", _WIDE),
]
