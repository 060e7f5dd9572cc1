"""A cache on real servers, its services as processes."""
