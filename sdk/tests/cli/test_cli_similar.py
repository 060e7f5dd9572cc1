import json
from collections.abc import Callable

import grpc
import pytest
from click.testing import Result

from embark_testing.embark.dict_embark import DictEmbArk

Run = Callable[..., Result]


def test_neighbours_are_a_table_nearest_first(run: Run, server: DictEmbArk) -> None:
    result = run("similar", "k3", "-k", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [["KEY", "SCORE"], ["k0", "1.0000"], ["k1", "0.8889"]]
    assert lines[3] == "space a: 2 neighbours"
    assert [request.k for request in server.received("Similar")] == [2]
    assert len(run("similar", "k3").stdout.splitlines()) == 11


@pytest.mark.parametrize(("key", "shown"), [("dead", "NEGATIVE  not_found (404 Not Found)"), ("new", "OOV_ENQUEUED")])
def test_a_key_without_an_embedding_is_reported_with_its_cause_and_status_3(run: Run, key: str, shown: str) -> None:
    result = run("similar", key)
    assert result.exit_code == 3
    assert f"{key.ljust(4)} {shown}".split() == result.stdout.splitlines()[-1].split()


def test_json_is_one_object(run: Run) -> None:
    result = run("similar", "k3", "-k", "1", "--json", "--space", "a")
    assert json.loads(result.stdout) == {
        "key": "k3",
        "status": "HIT",
        "space": "a",
        "neighbours": [{"key": "k0", "score": 1.0}],
    }
    missing = run("similar", "dead", "--json")
    assert missing.exit_code == 3
    assert json.loads(missing.stdout) == {
        "key": "dead",
        "status": "NEGATIVE",
        "space": "a",
        "cause": {"kind": "not_found", "detail": "404 Not Found"},
        "neighbours": [],
    }


def test_a_cache_without_vector_search_is_reported_in_one_line(run: Run, server: DictEmbArk, target: str) -> None:
    def refuse(method: str, request: object, context: grpc.ServicerContext) -> None:
        del method, request
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "spec.store.cassandra.vectorSearch is false")

    server.hook = refuse
    result = run("similar", "k3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: refused by {target}: spec.store.cassandra.vectorSearch is false\n"


def test_an_invalid_k_is_rejected(run: Run, target: str) -> None:
    result = run("similar", "k3", "-k", "0")
    assert result.exit_code == 1
    assert f"refused by {target}: k is 0" in result.stderr
