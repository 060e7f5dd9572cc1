"""What every test of the workspace may ask for."""

pytest_plugins = ["servers_fixtures", "cluster_fixtures"]
