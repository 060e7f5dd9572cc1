"""Runs reconciles off the event loop: timed, counted, and one JSON log line per change."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from embark.errors import UnavailableError
from embark_operator.cluster.protocol import ApiRefusedError, ConflictError
from embark_operator.leader.leases import NotLeaderError
from embark_operator.metrics import OperatorMetrics
from embark_operator.result import Key, ReconcileResult


class ReconcileWorker:
    """Calls `reconcile` in a thread, and decides whether a cache has to be retried."""

    def __init__(self, reconcile: Callable[[Key], ReconcileResult], metrics: OperatorMetrics) -> None:
        self._reconcile = reconcile
        self._metrics = metrics
        self._log = logging.getLogger(__name__)

    async def run(self, key: Key) -> bool | timedelta:
        """Reconcile a cache.

        Returns:
            False to retry with backoff, True when there is nothing left to do, or when to reconcile again.
        """
        with self._metrics.pass_seconds.time():
            outcome, done = await asyncio.to_thread(self._try, key)
        self._metrics.passes.labels(outcome).inc()
        return done

    def _try(self, key: Key) -> tuple[str, bool | timedelta]:
        cache = {"cache": str(key)}
        try:
            result = self._reconcile(key)
        except ConflictError:
            return "changed", False  # another client changed the cache; the retry reads the new version
        except NotLeaderError as error:
            self._log.warning("not written: %s", error, extra=cache)
            return "fenced", False
        except (UnavailableError, ApiRefusedError) as error:
            self._log.warning("reconcile failed: %s", error, extra=cache)
            return "unavailable", False
        if result.written or result.deleted:
            changes = {"written": result.written, "deleted": result.deleted, "phase": result.phase}
            self._log.info("children changed", extra={**cache, **changes})
        if result.failure:
            self._log.warning("not applied: %s", result.failure, extra=cache)
            return "failed", False
        return "written" if result.written or result.deleted else "unchanged", result.requeue_after or True
