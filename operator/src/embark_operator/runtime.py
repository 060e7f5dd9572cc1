"""What a reconcile needs from its process: the cluster, the services, the options and the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from embark_operator.cluster.protocol import Cluster
from embark_operator.observe.services import Services
from embark_operator.options import Options


@dataclass(frozen=True, slots=True)
class Runtime:
    """The dependencies of a reconcile; __main__ builds the real ones, tests their own."""

    cluster: Cluster
    services: Services
    options: Options
    now: Callable[[], datetime]
