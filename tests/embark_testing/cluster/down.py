"""Stops the cluster of this machine and removes all of it: `make cluster-down`."""

import os
import sys

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.node_down import take_down
from embark_testing.cluster.nodes import Node


def main() -> int:
    """Take the node down, or what is left of it; return the exit status."""
    if os.geteuid():
        print("error: the cluster is root's", file=sys.stderr)
        return 1
    try:
        take_down(Node())
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("No cluster is here now.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
