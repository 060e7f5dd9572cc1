"""The verify Job: judges a candidate space before lookups switch to it."""
