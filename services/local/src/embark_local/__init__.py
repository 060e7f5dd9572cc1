"""EmbArk, KFC and Retina in one process, on an embedded store and topic."""
