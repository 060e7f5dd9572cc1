"""A real Kubernetes, or only its API server, on this machine."""
