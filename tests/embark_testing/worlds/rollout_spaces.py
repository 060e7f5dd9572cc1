"""A model of the spaces of a cache under a rollout, and of what EmbArk, KFC and Retina make of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from embark.rollout.verdict import Verdict


@dataclass(frozen=True)
class Served:
    """What an EmbArk serves."""

    active: str
    previous: str | None = None

    @property
    def spaces(self) -> set[str]:
        return {self.active} | ({self.previous} if self.previous else set())


class ModelSpaces:
    """Tables with numbered keys, and which processes use them."""

    def __init__(self, first: str, keys: int) -> None:
        self.tables: dict[str, dict[int, bool]] = {first: dict.fromkeys(range(keys), True)}
        """The keys of each space; False: a negative."""
        self.scanned: dict[str, set[int]] = {}
        self.kfcs: set[str] = {first}
        self.behind: dict[str, int] = {}
        self.embark = [Served(first)]
        self.fit: set[str] = {first}
        """Spaces that lookups may read: the first, and those whose gate has passed since their table was created."""
        self.unreadable: dict[str, set[int]] = {}
        """Keys that the encoder of a space cannot encode."""
        self.broken: set[str] = set()
        """Spaces whose processes cannot start."""

    @property
    def served(self) -> set[str]:
        """The spaces that are served right now."""
        return set().union(*(embark.spaces for embark in self.embark))

    def start(self, space: str) -> None:
        """Start the KFC of a space; its table is created if there is none."""
        if space not in self.tables:
            self.tables[space] = {}
            self.behind[space] = 1
        self.kfcs.add(space)

    def scan_key(self, source: str, space: str, *, retry_failed: bool) -> bool:
        """Scan one further key of the source; return whether none is left."""
        scanned = self.scanned.setdefault(space, set())
        left = sorted(set(self.tables[source]) - scanned)
        for key in left[:1]:
            scanned.add(key)
            if retry_failed or key not in self.tables[space]:
                self.tables[space][key] = self.encodes(space, key)
        return not left

    def drop_table(self, space: str) -> None:
        """Drop everything of a space, which nothing may use."""
        assert space not in self.kfcs | self.served
        for held in (self.tables, self.scanned, self.behind):
            held.pop(space, None)
        self.fit.discard(space)

    def catch_up(self) -> None:
        """Let every KFC consume all fills."""
        self.behind = dict.fromkeys(self.behind, 0)

    def fill_key(self, spaces: set[str], key: int) -> None:
        """Let the KFCs of some spaces consume a further key."""
        for space in spaces & set(self.tables):
            self.tables[space].setdefault(key, self.encodes(space, key))

    def encodes(self, space: str, key: int) -> bool:
        """Return whether the encoder of a space can encode a key."""
        return key not in self.unreadable.get(space, set())

    @staticmethod
    def judge(source: Mapping[int, bool], candidate: Mapping[int, bool]) -> Verdict:
        """Return the verdict on a candidate."""
        held = [key for key in source if key in candidate]
        failed = [key for key in held if source[key] and not candidate[key]]
        return Verdict(keys=len(source), held=len(held), failed=len(failed), sampled=len(held))
