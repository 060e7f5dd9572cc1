"""gRPC servers and clients: channels, TLS, health, probes and conversions of messages."""
