"""Why a cache is reconciled: kopf's watches, the work queue, and the worker that empties it."""
