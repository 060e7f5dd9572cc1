"""The kubectl plugin `kubectl embark`, and the cluster for the rollout commands of `embark`."""
