"""Similar on the whole pipeline, with photographs and the real model."""

from pathlib import Path

import pytest

from embark.client import EmbArkClient, InvalidRequestError, KeyStatus
from embark_local.compose import LocalOptions, run_local
from embark_testing.caches import sample
from embark_testing.origin import PHOTOS, Origin

pytestmark = pytest.mark.real_model
WAIT = 60.0


def test_near_duplicates_of_photographs_are_found_by_key(tmp_path: Path, models_folder: Path, origin: Origin) -> None:
    cache = sample("photos", store={"cassandra": {"vectorSearch": True}})
    urls = {path.name: origin.url(path.name) for path in PHOTOS.glob("*.jpg")}
    with (
        run_local(cache, LocalOptions(tmp_path, models_folder)) as local,
        EmbArkClient(local.target, timeout=WAIT) as client,
    ):
        assert client.similar(urls["coffee.jpg"]).status is KeyStatus.OOV_ENQUEUED
        found = client.lookup(list(urls.values()), on_miss="wait", wait=WAIT)
        assert set(found.statuses) == {KeyStatus.HIT}
        for part, whole in (("chelsea-face.jpg", "chelsea.jpg"), ("coffee-cup.jpg", "coffee.jpg")):
            near = client.similar(urls[part], 3)
            assert near.status is KeyStatus.HIT
            assert near.keys[0] == urls[whole]
            assert 1 > near.scores[0] > near.scores[1] > near.scores[2]
        row = found.vectors[list(urls).index("coffee.jpg")]
        by_vector = client.similar(row, len(urls))
        assert by_vector.keys[0] == urls["coffee.jpg"]
        assert by_vector.keys[1:] == client.similar(urls["coffee.jpg"], len(urls)).keys
        assert by_vector.scores[0] == pytest.approx(1)


def test_a_cache_without_vector_search_refuses_in_local_mode_as_on_a_cluster(
    tmp_path: Path, models_folder: Path
) -> None:
    with (
        run_local(sample("titles"), LocalOptions(tmp_path, models_folder)) as local,
        EmbArkClient(local.target, timeout=WAIT) as client,
        pytest.raises(InvalidRequestError, match=r"spec\.store\.cassandra\.vectorSearch"),
    ):
        client.similar("cat")
