"""Parts of Retina for tests."""
