"""Deleting a cache together with its keyspace."""
