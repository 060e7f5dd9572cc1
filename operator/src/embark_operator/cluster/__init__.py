"""The Kubernetes cluster as the operator sees it: one protocol, and the adapter of the real API."""
