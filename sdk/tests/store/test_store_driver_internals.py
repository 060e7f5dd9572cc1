"""The release of cassandra-driver whose internals the store was checked with."""

from importlib.metadata import version

from embark.store.cassandra.driver_internals import CHECKED_VERSION


def test_the_installed_driver_is_the_one_whose_internals_were_checked() -> None:
    installed = version("cassandra-driver")
    assert installed == CHECKED_VERSION, (
        f"cassandra-driver {installed} is installed, but embark/store/cassandra/driver_internals.py was checked with "
        f"{CHECKED_VERSION}. Run `pytest -m 'integration or not integration' sdk/tests/store`, mend what fails, "
        f"then set CHECKED_VERSION to {installed}."
    )
