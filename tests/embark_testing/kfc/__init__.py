"""Parts of KFC for tests."""
