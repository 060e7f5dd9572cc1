"""What is there: the children of a cache, their pods, and what its services report."""
