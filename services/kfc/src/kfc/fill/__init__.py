"""The fill service: consumes fill requests, encodes their keys and writes the rows."""
