"""Loads archives of images into the running cluster: `make cluster-load`, after `make images` has saved them."""

import sys
from pathlib import Path

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.node_images import load_images
from embark_testing.cluster.nodes import Node
from embark_testing.cluster.up import is_up, report


def main(archives: list[str]) -> int:
    """Load the named archives; return the exit status."""
    node = Node()
    if not is_up(node):
        print("error: no cluster runs; `make cluster` starts one", file=sys.stderr)
        return 1
    try:
        for archive in archives:
            report(f"loading {archive} …")
            load_images(node, [Path(archive)])
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
