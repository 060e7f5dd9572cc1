"""What the operator reports about a cache: conditions, status and Events."""
