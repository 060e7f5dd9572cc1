"""The rollout commands: plan, status, approve, pause, resume and rollback, on a cluster or on a data folder."""
