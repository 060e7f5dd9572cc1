"""Builders of a cache's children: pure functions that return dicts which read like the YAML they become."""
