"""Leader election: one operator of several is active, and only that one writes."""
