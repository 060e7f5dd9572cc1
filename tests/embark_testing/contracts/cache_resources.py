"""What every CacheResources promises the rollout commands."""

from abc import abstractmethod
from collections.abc import Iterator

import pytest

from embark.cli.rollout.steps import build_replacement
from embark.resources import CacheConflictError, CacheNotFoundError, CacheRef, CacheResources, read_cache
from embark_testing.worlds.rollout_commands import NEW, OLD, record


class CacheResourcesContract:
    """`ref` is a cache made from the sample photos that no other process writes."""

    @pytest.fixture
    @abstractmethod
    def caches(self) -> CacheResources | Iterator[CacheResources]: ...

    @pytest.fixture
    @abstractmethod
    def ref(self) -> CacheRef: ...

    def test_a_cache_is_read_whole(self, caches: CacheResources, ref: CacheRef) -> None:
        stored = read_cache(caches, ref)
        assert (stored.cache.metadata.name, stored.cache.spec.encoder) == ("photos", OLD)

    def test_a_merge_adds_an_annotation_and_keeps_the_rest(self, caches: CacheResources, ref: CacheRef) -> None:
        caches.merge(ref, {"metadata": {"annotations": {"embark.dev/approved": "a"}}})
        caches.merge(ref, {"metadata": {"annotations": {"embark.dev/resumed": "b"}}})
        stored = read_cache(caches, ref)
        assert stored.cache.metadata.annotations == {"embark.dev/approved": "a", "embark.dev/resumed": "b"}
        assert stored.cache.spec.encoder == OLD

    def test_a_merge_of_a_replacement_leaves_exactly_the_wanted_encoder(
        self, caches: CacheResources, ref: CacheRef
    ) -> None:
        for encoder in (NEW, OLD):
            stored = read_cache(caches, ref)
            wanted = record(encoder)["encoder"]
            caches.merge(ref, {"spec": {"encoder": build_replacement(stored.encoder, wanted)}})
            assert read_cache(caches, ref).cache.spec.encoder == encoder

    def test_only_a_change_of_the_spec_raises_the_generation(self, caches: CacheResources, ref: CacheRef) -> None:
        before = read_cache(caches, ref).cache.metadata.generation
        caches.merge(ref, {"metadata": {"annotations": {"embark.dev/approved": "a"}}})
        assert read_cache(caches, ref).cache.metadata.generation == before
        caches.merge(ref, {"spec": {"rollout": {"paused": True}}})
        assert read_cache(caches, ref).cache.metadata.generation == before + 1

    def test_a_merge_conflicts_once_the_cache_has_changed_since_it_was_read(
        self, caches: CacheResources, ref: CacheRef
    ) -> None:
        version = read_cache(caches, ref).version
        change = {"metadata": {"resourceVersion": version}, "spec": {"rollout": {"paused": True}}}
        caches.merge(ref, change)
        again = {"metadata": {"resourceVersion": version}, "spec": {"rollout": {"paused": False}}}
        with pytest.raises(CacheConflictError):
            caches.merge(ref, again)
        assert read_cache(caches, ref).cache.spec.rollout.paused

    def test_a_cache_that_does_not_exist_is_not_found(self, caches: CacheResources, ref: CacheRef) -> None:
        missing = CacheRef(ref.namespace, "nothing")
        assert caches.read(missing) is None
        with pytest.raises(CacheNotFoundError):
            caches.merge(missing, {"spec": {}})
