"""The rollout of a new space: a pure state machine whose state is the cache's status."""
