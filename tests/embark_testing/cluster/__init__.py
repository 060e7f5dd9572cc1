"""A real Kubernetes, or its API server alone, on this machine."""
