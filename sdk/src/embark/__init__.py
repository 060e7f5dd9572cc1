"""EmbArk, the embedding cache: its resource, its client and its protocols; every service is built on this package."""
