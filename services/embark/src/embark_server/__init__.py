"""EmbArk, the gRPC look-up server: hot tier, then store, then the OOV embedding and a fill."""
