"""What every command that asks a server has: its options, and errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from embark.client import CertificateFiles, ClientTls, EmbArkClient, InvalidRequestError
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
    """Add --server and --timeout, and what connected() reads itself: --tenant and the options of TLS."""
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
    return server(timeout(_tenant(_tls(command))))


def _tenant(command: Command) -> Command:
    return click.option(
        "--tenant",
        default="",
        envvar="EMBARK_TENANT",
        expose_value=False,
        callback=_note,
        help="Whose quota misses are taken off; a client's certificate says it already.",
    )(command)


def _tls(command: Command) -> Command:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    options = (
        ("--tls-ca", file, "Call with TLS; the authority that has signed the server's certificate, as PEM."),
        ("--tls-cert", file, "The own certificate, where the server asks for one; with --tls-ca and --tls-key."),
        ("--tls-key", file, "The key of --tls-cert."),
        ("--tls-server-name", str, "A name of the server's certificate, where --server is another."),
    )
    for name, kind, text in reversed(options):
        variable = f"EMBARK_{name.removeprefix('--').replace('-', '_').upper()}"
        command = click.option(name, type=kind, envvar=variable, expose_value=False, callback=_note, help=text)(command)
    return command


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta[f"{__name__}.{param.name}"] = value


def _noted(name: str) -> Any:
    return click.get_current_context().meta.get(f"{__name__}.{name}")


def _asked_tls() -> ClientTls | None:
    """Return what the options of TLS say; a part of it without the rest never means plain text."""
    authority, certificate, key, name = map(_noted, ("tls_ca", "tls_cert", "tls_key", "tls_server_name"))
    if authority is None:
        if certificate or key or name:
            raise click.UsageError("--tls-cert, --tls-key and --tls-server-name need --tls-ca")
        return None
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    return ClientTls(CertificateFiles(authority, certificate, key), name or "")


@contextmanager
def connected(server: str, timeout: timedelta) -> Iterator[EmbArkClient]:
    """Open a client for a command's body; its errors become one line for people and exit code 1."""
    tls = _asked_tls()
    try:
        client = EmbArkClient(server, timeout=timeout.total_seconds(), tenant=_noted("tenant") or "", tls=tls)
    except EmbArkError as error:
        raise click.ClickException(_one_line(error)) from None
    with client:
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
