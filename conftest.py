"""What every test of the workspace may ask for."""

pytest_plugins = ["embark_testing.servers.fixtures", "embark_testing.cluster.fixtures"]
