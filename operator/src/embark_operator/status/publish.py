"""Tells a cache's status and the Events about it, where there is news; called by every pass."""

from collections.abc import Iterable

from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.protocol import NAMESPACE_TERMINATING, ApiRefusedError, Cluster, ConflictError
from embark_operator.names import Manifest
from embark_operator.status.report import dump_status


def publish_status(
    cluster: Cluster,
    body: Manifest,
    before: EmbeddingCacheStatus,
    status: EmbeddingCacheStatus,
    events: Iterable[Manifest],
) -> None:
    """Write the status of the cache `body`, and then the Events; nothing where it says what it said before.

    Raises:
        ConflictError: the cache was changed since it was read.
        UnavailableError: the API server does not answer.
    """
    if status == before and "status" in body:
        return
    cluster.write_status(body, dump_status(status))
    for event in events:
        try:
            cluster.create(event)
        except ConflictError:
            continue  # it has been told
        except ApiRefusedError as error:
            if error.reason != NAMESPACE_TERMINATING:
                raise
