"""The topic in a SQLite file."""
