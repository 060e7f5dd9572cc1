"""Which cluster the e2e tests run against: the one of KUBECONFIG, one of kind, or our own."""

from collections.abc import Mapping
from enum import Enum

from embark_testing.cluster.commands import ClusterError


class Choice(Enum):
    """Where the tests run."""

    GIVEN = "the cluster of KUBECONFIG"
    KIND = "a kind cluster in Docker"
    OWN = "a cluster of our own, in a network namespace"


class NoClusterError(ClusterError):
    """None of the three is possible on this machine; the message says what to install or set."""


def choose_cluster(environment: Mapping[str, str], *, has_kind: bool, docker_answers: bool, is_root: bool) -> Choice:
    """Return where to run.

    A cluster that the user names always wins: with a wrong KUBECONFIG the tests fail instead of running elsewhere.

    Raises:
        NoClusterError: no KUBECONFIG, no Docker with kind, and not root.
    """
    if environment.get("KUBECONFIG"):
        return Choice.GIVEN
    if docker_answers and has_kind:
        return Choice.KIND
    if is_root:
        return Choice.OWN
    raise NoClusterError(
        "no cluster to test against: set KUBECONFIG, or install Docker and kind, or run as root for `make cluster`"
    )
