"""Makes the passes that the queue asks for: off the event loop, timed, counted, one JSON log line a decision."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from embark.errors import UnavailableError
from embark_operator.cluster.protocol import ApiRefusedError, ConflictError
from embark_operator.leader.leases import NotLeaderError
from embark_operator.metrics import OperatorMetrics
from embark_operator.result import Key, ReconcileResult


class ReconcileWorker:
    """Calls `reconcile` in threads, and says whether a cache has to be tried again."""

    def __init__(self, reconcile: Callable[[Key], ReconcileResult], metrics: OperatorMetrics) -> None:
        self._reconcile: Final = reconcile
        self._metrics: Final = metrics
        self._log: Final = logging.getLogger(__name__)

    async def make(self, key: Key) -> bool | timedelta:
        """Make a pass over a cache.

        Returns:
            Whether it is as it should be, as far as this pass can tell; or when to look at it again.
        """
        with self._metrics.pass_seconds.time():
            result, done = await asyncio.to_thread(self._try, key)
        self._metrics.passes.labels(result).inc()
        return done

    def _try(self, key: Key) -> tuple[str, bool | timedelta]:
        cache = {"cache": str(key)}
        try:
            made = self._reconcile(key)
        except ConflictError:
            return "changed", False  # by somebody else meanwhile; the next pass sees how
        except NotLeaderError as error:
            self._log.warning("not written: %s", error, extra=cache)
            return "fenced", False
        except (UnavailableError, ApiRefusedError) as error:
            self._log.warning("the pass failed: %s", error, extra=cache)
            return "unavailable", False
        if made.written or made.deleted:
            decided = cache | {"written": made.written, "deleted": made.deleted, "phase": made.phase}
            self._log.info("children changed", extra=decided)
        if made.failure:
            self._log.warning("not applied: %s", made.failure, extra=cache)
            return "failed", False
        return "written" if made.written or made.deleted else "unchanged", made.again or True
