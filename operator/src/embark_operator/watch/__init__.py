"""What makes a cache due for a pass: kopf's watches, the work queue, and the worker that empties it."""
