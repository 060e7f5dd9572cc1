"""Fixtures of the command line's tests: a server over dicts, and the commands run in this process against it."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from embark.causes import Cause, CauseKind
from embark.cli.limits import CliLimits
from embark.cli.main import build_cli
from embark_testing.embark.dict_embark import DictEmbArk, Rows, serving

Run = Callable[..., Result]


@pytest.fixture
def server() -> DictEmbArk:
    """A server of at most 4 keys per request: k0 to k9 have embeddings in the active space, `dead` is a negative."""
    server = DictEmbArk(Rows("a").fill(*(f"k{i}" for i in range(10))))
    server.spaces["a"].negatives[b"dead"] = Cause(CauseKind.NOT_FOUND, "404 Not Found")
    return server


@pytest.fixture
def target(server: DictEmbArk) -> Iterator[str]:
    """The address of `server`."""
    with serving(server) as target:
        yield target


@pytest.fixture
def run(target: str) -> Run:
    """Run a command against the server; it must not raise anything but SystemExit."""

    def run(
        *arguments: str, stdin: bytes | None = None, address: str = target, limits: CliLimits | None = None
    ) -> Result:
        runner = CliRunner(env={"EMBARK_SERVER": address})
        result = runner.invoke(build_cli(added=list), [*arguments], input=stdin, obj=limits)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run
