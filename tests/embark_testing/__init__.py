"""Support of EmbArk's own tests: contract suites, modelled worlds, real servers, a real cluster."""
