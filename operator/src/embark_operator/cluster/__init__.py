"""The Kubernetes cluster: its protocol, the adapter of the real API, and what reads and writes objects through it."""
