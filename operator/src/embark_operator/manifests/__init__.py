"""The children of a cache as plain dicts that read like the YAML they become; pure, called by reconcile."""
