"""A cluster as its user sees it."""
