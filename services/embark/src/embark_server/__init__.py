"""EmbArk, the gRPC lookup server: hot tier, then store, then the OOV embedding and a fill."""
