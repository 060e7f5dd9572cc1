import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from embark.client import BadReplyError, EmbArkClient, InvalidRequestError, MixedSpacesError
from embark_testing.embark.dict_embark import DictEmbArk, Rows, serving

Connect = Callable[..., EmbArkClient]
KEYS = [f"k{i}" for i in range(10)]


class Switch:
    """Makes `b` the active space after the first Lookup, as a rollout may between two batches."""

    def __init__(self, server: DictEmbArk, *, drop: str = "", refuse_pins: bool = False) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._seen = 0
        self._drop = drop
        self._refuse_pins = refuse_pins

    def __call__(self, method: str, request: Any, context: grpc.ServicerContext) -> None:
        if method != "Lookup":
            return
        with self._lock:
            self._seen += 1
            if self._seen == 2:
                self._server.active = "b"
        if request.space and (self._refuse_pins or request.space == self._drop):
            context.abort(grpc.StatusCode.NOT_FOUND, f"no space {request.space}")


def switching(**options: Any) -> DictEmbArk:
    server = DictEmbArk(Rows("a").fill(*KEYS), Rows("b").fill(*KEYS), max_keys=4)
    server.hook = Switch(server, **options)
    return server


def test_a_switch_between_two_batches_never_mixes_spaces(connect: Connect) -> None:
    server = switching()
    with serving(server) as target:
        found = connect(target).lookup(KEYS)
    rows = server.spaces[found.space]
    assert found.vectors.tobytes() == b"".join(rows.vectors[key.encode()] for key in KEYS)
    assert {request.space for request in server.received("Lookup")} == {"", found.space}


@pytest.mark.parametrize(("dropped", "kept"), [("a", "b"), ("b", "a")])
def test_the_space_that_still_answers_answers_every_batch(connect: Connect, dropped: str, kept: str) -> None:
    server = switching(drop=dropped)
    with serving(server) as target:
        found = connect(target).lookup(KEYS)
    assert found.space == kept
    assert found.vectors.tobytes() == b"".join(server.spaces[kept].vectors[key.encode()] for key in KEYS)


def test_a_lookup_fails_rather_than_mix_spaces(connect: Connect) -> None:
    server = switching(refuse_pins=True)
    with serving(server) as target, pytest.raises(MixedSpacesError, match="retry") as raised:
        connect(target).lookup(KEYS)
    assert set(raised.value.spaces) == {"a", "b"}


def test_a_pinned_lookup_reads_its_space_even_if_another_is_active(connect: Connect) -> None:
    server = switching()
    with serving(server) as target:
        found = connect(target).lookup(KEYS, space="b")
    assert found.space == "b"
    assert all(request.space == "b" for request in server.received("Lookup"))


def test_an_unknown_space_is_an_invalid_request_that_names_the_server(connect: Connect, target: str) -> None:
    client = connect(target)
    with pytest.raises(InvalidRequestError, match=f"{target}: no space nowhere"):
        client.lookup(["k0"], space="nowhere")
    with pytest.raises(InvalidRequestError, match="nowhere"):
        client.describe("nowhere")


def test_a_reply_from_another_space_than_requested_is_rejected(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    server.spaces["b"] = server.spaces["a"]
    with pytest.raises(BadReplyError, match="another one answered"):
        connect(target).lookup(["k0"], space="b")


def test_describe_returns_what_the_vectors_are(connect: Connect, server: DictEmbArk, target: str) -> None:
    described = connect(target).describe()
    assert (described.space, described.dimension, described.form) == ("a", 4, server.spaces["a"].form)
    assert described.oov_vector.tolist() == [-1, -1, -1, -1]
    assert (described.entries, described.max_keys_per_request) == (10, 4)
    assert (described.modality, described.preprocessing) == ("image", "imagenet-224")
    assert described.model_digest == f"sha256:{'0' * 64}"
