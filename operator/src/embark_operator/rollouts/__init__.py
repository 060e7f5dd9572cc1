"""The rollout of a new space: a pure state machine, its state in the cache's status; called by reconcile."""
