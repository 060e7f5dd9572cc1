"""Many concurrent lookups: one encode and one record for a key, every row in the order of the keys."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embark.client import KeyStatus
from embark_testing.deployments.running_cache import Cache
from embark_testing.eventually import eventually
from embark_testing.origin import Origin

pytestmark = pytest.mark.real_model


def test_a_thousand_lookups_of_one_cold_key_cause_one_record_and_one_encode(photos: Cache, origin: Origin) -> None:
    key = origin.url("gravel.jpg")
    origin.answering.clear()
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda _: photos.client.lookup([key]).statuses[0], range(1000)))
    origin.answering.set()
    eventually(lambda: photos.client.lookup([key]).statuses == (KeyStatus.HIT,), what="the fill")
    assert Counter(found) == {KeyStatus.OOV_ENQUEUED: 1, KeyStatus.OOV_PENDING: 999}
    assert photos.topic.accepted == [key.encode()]
    assert origin.requested == {"gravel.jpg": 1}


def test_a_lookup_of_1024_keys_half_of_them_cold_answers_every_row_in_order(photos: Cache) -> None:
    space = photos.client.describe().space
    keys = [f"http://127.0.0.2/{index}.jpg" for index in range(1024)]
    vectors = np.arange(512 * 1280, dtype=np.float32).reshape(512, 1280)
    photos.client.put(space, keys[::2], vectors)
    found = photos.client.lookup(keys)
    assert found.statuses[::2] == (KeyStatus.HIT,) * 512
    assert set(found.statuses[1::2]) <= {KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING}
    np.testing.assert_array_equal(found.vectors[::2], vectors)
    assert not found.vectors[1::2].any()
