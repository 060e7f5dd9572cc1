"""What every command that asks a server has: its options, and errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import click

from embark.client import EmbArkClient, InvalidRequestError
from embark.errors import EmbArkError, UnavailableError
from embark.spec.quantities import parse_duration

DEFAULT_SERVER: Final = "127.0.0.1:50051"
# The keys of one call: enough that requests run side by side, few enough that progress is seen.
CALL_KEYS: Final = 4096

Command = TypeVar("Command", bound=Callable[..., Any])


class DurationType(click.ParamType[timedelta]):
    """A duration such as 500ms, 5s or 1m30s."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse, or fail with what a duration looks like."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION: Final = DurationType()


def asks_server(command: Command) -> Command:
    """Add --server and --timeout."""
    timeout = click.option(
        "--timeout", type=DURATION, default="5s", show_default=True, help="How long one call may take."
    )
    server = click.option(
        "--server",
        envvar="EMBARK_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="The EmbArk to ask.",
    )
    return server(timeout(command))


@contextmanager
def connected(server: str, timeout: timedelta) -> Iterator[EmbArkClient]:
    """Open a client for a command's body; its errors become one line for people and exit code 1."""
    with EmbArkClient(server, timeout=timeout.total_seconds()) as client:
        try:
            yield client
        except UnavailableError as error:
            raise click.ClickException(
                f"{_one_line(error)}; is EmbArk running there? --server or EMBARK_SERVER names another, "
                f"--timeout gives it more time"
            ) from None
        except InvalidRequestError as error:
            raise click.ClickException(f"refused by {_one_line(error)}") from None
        except EmbArkError as error:
            raise click.ClickException(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
