"""Parts of the lookup server for tests."""
