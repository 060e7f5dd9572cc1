"""What every command of a rollout has: the options that name a cluster, an open session, errors in one line."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NamedTuple

import click

from embark.errors import EmbArkError, UnavailableError
from embark_operator.cli.caches import Caches, Place
from embark_operator.cli.cluster_caches import cluster_caches
from embark_operator.cluster.protocol import ApiRefusedError


class Target(NamedTuple):
    """What the options say of the cluster; empty: what kubectl would take."""

    namespace: str
    context: str
    kubeconfig: str


@dataclass(frozen=True, slots=True)
class Session:
    """An open cluster, and the time."""

    caches: Caches
    namespace: str
    """The one of the command line, or else the context's."""
    named: bool
    """Whether it is the command line's."""
    now: Callable[[], datetime]
    wait: Callable[[float], None]
    """Returns after that many seconds."""

    def place(self, name: str) -> Place:
        """Return where the cache of that name is."""
        return Place(self.namespace, name)


@dataclass(frozen=True, slots=True)
class Access:
    """How sessions are opened; a context whose `obj` is another one opens them its way."""

    open: Callable[[Target], AbstractContextManager[Session]]


@contextmanager
def open_session(target: Target) -> Iterator[Session]:
    """Open a session with the cluster that the options name."""
    with cluster_caches(target.kubeconfig, target.context, os.environ) as (caches, namespace):
        chosen = target.namespace or namespace
        yield Session(caches, chosen, bool(target.namespace), lambda: datetime.now(UTC), time.sleep)


def asks_cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a cluster, and give the command an open session as its first argument."""

    @click.option("-n", "--namespace", default="", metavar="NAMESPACE", help="Default: the context's.")
    @click.option("--context", default="", metavar="NAME", help="Of the kubeconfig; default: the current one.")
    @click.option("--kubeconfig", default="", metavar="FILE", help="Default: $KUBECONFIG, or ~/.kube/config.")
    @wraps(command)
    def run(*, namespace: str, context: str, kubeconfig: str, **arguments: Any) -> None:
        access = click.get_current_context().find_object(Access) or Access(open_session)
        with _told_in_one_line(), access.open(Target(namespace, context, kubeconfig)) as session:
            command(session, **arguments)

    return run


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        hint = "--context and --kubeconfig name another cluster"
        raise click.ClickException(f"{one_line(error)}; {hint}") from None
    except ApiRefusedError as error:
        hint = "; install EmbArk there first (charts/embark)" if error.reason == "NoSuchKind" else ""
        raise click.ClickException(f"{one_line(error)}{hint}") from None
    except EmbArkError as error:
        raise click.ClickException(one_line(error)) from None


def one_line(error: Exception) -> str:
    """Return what an error says, without line ends."""
    return " ".join(str(error).split())
