"""The commands of a rollout for people: the kubectl plugin `kubectl embark`, and the same commands in `embark`."""
