"""What the commands that call a server share: their options, the client, and errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from embark.cli.text import one_line
from embark.client import CertificateFiles, ClientTls, EmbArkClient, InvalidRequestError
from embark.errors import EmbArkError, UnavailableError
from embark.spec.quantities import parse_duration

DEFAULT_SERVER: Final = "127.0.0.1:50051"

Command = TypeVar("Command", bound=Callable[..., Any])


class DurationType(click.ParamType[timedelta]):
    """A duration such as 500ms, 5s or 1m30s."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse a duration, or fail with an example of one."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION: Final = DurationType()


def with_server_options(command: Command) -> Command:
    """Add the options that connect() reads: --server, --timeout, --tenant and those of TLS."""
    server = _option(
        "--server",
        envvar="EMBARK_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="Address of the EmbArk server.",
    )
    timeout = _option(
        "--timeout", type=DURATION, default="5s", show_default=True, help="Timeout of each call to the server."
    )
    tenant = _option(
        "--tenant",
        default="",
        envvar="EMBARK_TENANT",
        help="Tenant whose quota is charged for misses; not needed with a client certificate.",
    )
    return server(timeout(tenant(_tls(command))))


def _option(name: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return an option whose value is kept for connect() instead of passed to the command."""
    return click.option(name, expose_value=False, callback=_remember, **attributes)


def _tls(command: Command) -> Command:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    options = (
        ("--tls-ca", file, "Use TLS and verify the server with this CA certificate (PEM)."),
        ("--tls-cert", file, "Client certificate (PEM), if the server requires one; needs --tls-ca and --tls-key."),
        ("--tls-key", file, "Private key of --tls-cert (PEM)."),
        ("--tls-server-name", str, "Name in the server's certificate, if it differs from the host of --server."),
    )
    for name, kind, text in reversed(options):
        variable = f"EMBARK_{name.removeprefix('--').replace('-', '_').upper()}"
        command = click.option(name, type=kind, envvar=variable, expose_value=False, callback=_remember, help=text)(
            command
        )
    return command


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta[f"{__name__}.{param.name}"] = value


def _recall(name: str) -> Any:
    return click.get_current_context().meta.get(f"{__name__}.{name}")


def _parse_tls() -> ClientTls | None:
    """Return the TLS options; an incomplete set of them is an error, never plain text."""
    authority, certificate, key, name = map(_recall, ("tls_ca", "tls_cert", "tls_key", "tls_server_name"))
    if authority is None:
        if certificate or key or name:
            raise click.UsageError("--tls-cert, --tls-key and --tls-server-name need --tls-ca")
        return None
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    return ClientTls(CertificateFiles(authority, certificate, key), name or "")


@contextmanager
def connect() -> Iterator[EmbArkClient]:
    """Open a client for the body of a command; an error becomes one line for people and exit status 1."""
    timeout = _recall("timeout").total_seconds()
    tls = _parse_tls()
    try:
        client = EmbArkClient(_recall("server"), timeout=timeout, tenant=_recall("tenant"), tls=tls)
    except EmbArkError as error:
        raise click.ClickException(one_line(error)) from None
    with client:
        try:
            yield client
        except UnavailableError as error:
            raise click.ClickException(
                f"{one_line(error)}; is EmbArk running there? Set its address with --server or EMBARK_SERVER, "
                f"and allow more time with --timeout"
            ) from None
        except InvalidRequestError as error:
            raise click.ClickException(f"refused by {one_line(error)}") from None
        except EmbArkError as error:
            raise click.ClickException(one_line(error)) from None
