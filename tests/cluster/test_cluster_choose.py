"""The e2e tests run where the user says, and else on what the machine can do."""

from collections.abc import Mapping

import pytest

from embark_testing.cluster.choose import Choice, NoClusterError, choose_cluster


def test_a_kubeconfig_is_never_passed_over() -> None:
    environment = {"KUBECONFIG": "/nowhere"}
    chosen = choose_cluster(environment, has_kind=True, docker_answers=True, is_root=True)
    assert chosen is Choice.GIVEN


@pytest.mark.parametrize(
    ("machine", "chosen"),
    [
        ({"has_kind": True, "docker_answers": True, "is_root": True}, Choice.KIND),
        ({"has_kind": True, "docker_answers": True, "is_root": False}, Choice.KIND),
        ({"has_kind": True, "docker_answers": False, "is_root": True}, Choice.OWN),
        ({"has_kind": False, "docker_answers": True, "is_root": True}, Choice.OWN),
        ({"has_kind": False, "docker_answers": False, "is_root": True}, Choice.OWN),
    ],
)
def test_without_one_it_is_kind_where_docker_answers_and_else_our_own(
    machine: Mapping[str, bool], chosen: Choice
) -> None:
    assert choose_cluster({}, **machine) is chosen


def test_an_empty_kubeconfig_is_none() -> None:
    chosen = choose_cluster({"KUBECONFIG": ""}, has_kind=False, docker_answers=False, is_root=True)
    assert chosen is Choice.OWN


def test_on_a_machine_that_can_run_none_the_error_says_what_would_help() -> None:
    with pytest.raises(NoClusterError, match="set KUBECONFIG, or install Docker and kind, or run as root"):
        choose_cluster({}, has_kind=True, docker_answers=False, is_root=False)
