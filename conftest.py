"""What every test of the workspace may use."""

import pytest

# Before anything of it is imported: its contract suites assert.
pytest.register_assert_rewrite("embark_testing")

pytest_plugins = ["embark_testing.servers.fixtures", "embark_testing.cluster.fixtures"]
