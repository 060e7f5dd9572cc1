"""The re-embedding Job: encodes the keys of one space into another."""
