"""What the operator observes of a cache: its children, its pods, and what its services report."""
