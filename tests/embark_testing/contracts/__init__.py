"""Contract suites: what every store and every topic promises."""
