"""Retina, the encoder's server: fetches, decodes, preprocesses and runs the model."""
