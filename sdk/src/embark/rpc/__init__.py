"""What every gRPC server and client of EmbArk shares: channels, health, reflection, draining, probes, conversions."""
