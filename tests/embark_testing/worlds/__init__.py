"""Modelled worlds: clusters, caches and rollouts in memory, in which a test lets anything happen."""
