"""Servers of tests start, stop and end with the process that started them; tested with processes faster than Java."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embark_testing.deployments.killed_child import child
from embark_testing.eventually import eventually
from embark_testing.servers.server_process import Server, ServerFailedError

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that the end of the test stops."""
    with ExitStack() as stack:

        def start(*command: str, answers: Callable[[], bool] = lambda: True) -> Server:
            server = Server("sleeper", command, tmp_path, answers)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def state(pid: int) -> str:
    """Return the letter of the process's state; T is suspended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_server_is_suspended_resumed_killed_and_started_again(start: Start) -> None:
    server = start("sleep", "600")
    first = server.pid
    server.suspend()
    eventually(lambda: state(first) == "T")
    server.resume()
    eventually(lambda: state(first) == "S")
    server.kill()
    assert not alive(first)
    server.start()
    assert server.pid != first
    assert alive(server.pid)


def test_a_suspended_server_is_stopped_like_any_other(start: Start) -> None:
    server = start("sleep", "600")
    pid = server.pid
    server.suspend()
    server.stop()
    server.stop()
    assert not alive(pid)


def test_a_server_that_does_not_start_shows_its_log(start: Start) -> None:
    with pytest.raises(ServerFailedError, match="no such option"):
        start("sh", "-c", "echo no such option >&2; exit 3", answers=lambda: False)


def test_a_server_that_is_given_up_while_it_starts_is_stopped(start: Start, tmp_path: Path) -> None:
    def give_up() -> bool:
        eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start("sh", "-c", f"echo $$ > {tmp_path / 'pid'}; exec sleep 600", answers=give_up)
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("killed", ["the test", "the supervisor"])
def test_a_server_never_outlives_who_started_it(tmp_path: Path, killed: str) -> None:
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from embark_testing.servers.server_process import Server
        server = Server("sleeper", ["sleep", "600"], Path(sys.argv[2]), lambda: True)
        server.start()
        print(server.pid, server._supervisor.pid, flush=True)
        sys.stdin.read()
    """
    with child(code, Path(__file__).parents[1], tmp_path) as (process, lines):
        server, supervisor = map(int, next(lines).split())
        assert alive(server)
        os.kill(process.pid if killed == "the test" else supervisor, signal.SIGKILL)
        eventually(lambda: not alive(server), what="the server has ended")
