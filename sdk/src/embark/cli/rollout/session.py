"""What the rollout commands share: the options that select a cluster or a data folder, and errors in one line."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from embark.cli.text import one_line
from embark.errors import EmbArkError, UnavailableError
from embark.resources import (
    CacheNotFoundError,
    CacheRef,
    CacheResources,
    ResourceScope,
    StoredCache,
    read_cache,
)

GROUP: Final = "embark.cache_resources"
"""Entry points that open cache resources, each a context manager of a ResourceScope.

`cluster` is called with a ClusterTarget, `folder` with the path of a data folder.
"""
_PACKAGES: Final = {"cluster": "embark-operator", "folder": "embark-local"}


class ClusterTarget(NamedTuple):
    """The options that select a cluster; empty: what kubectl would use."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""


Target = ClusterTarget | Path
"""A cluster, or a data folder."""


@dataclass(frozen=True, slots=True)
class RolloutSession:
    """Open cache resources, and the time."""

    resources: CacheResources
    namespace: str
    """The namespace of the command line, or else the default one."""
    target: Target
    now: Callable[[], datetime]
    wait: Callable[[float], None]
    """Return after that many seconds."""

    def ref(self, name: str) -> CacheRef:
        """Return the cache of that name."""
        return CacheRef(self.namespace, name)

    def read(self, ref: CacheRef) -> StoredCache:
        """Return a cache; raises as read_cache() does."""
        return read_cache(self.resources, ref)

    def command_line(self, command: str, ref: CacheRef) -> str:
        """Return how to run another command on a cache, for messages."""
        if isinstance(self.target, Path):
            return f"embark {command} {ref.name} --data {self.target}"
        return f"kubectl embark {command} {ref.name} -n {ref.namespace}"


@dataclass(frozen=True, slots=True)
class SessionOpener:
    """How sessions are opened; the `obj` of a click context replaces open_session()."""

    open: Callable[[Target], AbstractContextManager[RolloutSession]]


@contextmanager
def open_session(
    target: Target, find_points: Callable[[], list[EntryPoint]] = lambda: list(entry_points(group=GROUP))
) -> Iterator[RolloutSession]:
    """Open a session with the cluster or the data folder that the options select."""
    kind = "folder" if isinstance(target, Path) else "cluster"
    with _load_opener(kind, find_points())(target) as scope:
        chosen = target.namespace if isinstance(target, ClusterTarget) else ""
        namespace = chosen or scope.namespace
        yield RolloutSession(scope.resources, namespace, target, lambda: datetime.now(UTC), time.sleep)


def _load_opener(kind: str, points: list[EntryPoint]) -> Callable[[Any], AbstractContextManager[ResourceScope]]:
    package = _PACKAGES[kind]
    for point in points:
        if point.name == kind:
            try:
                return point.load()  # type: ignore[no-any-return] # what the group promises
            except ImportError as error:
                raise click.ClickException(f"{package} cannot be loaded: {error}; reinstall {package}") from None
    place = "a cluster" if kind == "cluster" else "a data folder"
    other = "; for a cache that `embark local` runs, pass --data FOLDER" if kind == "cluster" else ""
    raise click.ClickException(f"{place} needs the package {package}: run `pip install {package}`{other}")


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select a cluster or a data folder; pass an open session as the first argument."""

    @click.option(
        "--data",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="FOLDER",
        help="Data folder of `embark local`, instead of a cluster.",
    )
    @click.option(
        "-n",
        "--namespace",
        default="",
        metavar="NAMESPACE",
        help="Namespace of the cache. Default: that of the context.",
    )
    @click.option("--context", default="", metavar="NAME", help="Context in the kubeconfig. Default: the current one.")
    @click.option(
        "--kubeconfig", default="", metavar="FILE", help="Kubeconfig file. Default: $KUBECONFIG, or ~/.kube/config."
    )
    @wraps(command)
    def run(*, data: Path | None, namespace: str, context: str, kubeconfig: str, **arguments: Any) -> None:
        cluster = ClusterTarget(namespace, context, kubeconfig)
        if data is not None and any(cluster):
            raise click.UsageError("--data selects a data folder; leave out --namespace, --context and --kubeconfig")
        target: Target = cluster if data is None else data
        opener = click.get_current_context().find_object(SessionOpener) or SessionOpener(open_session)
        with _errors_in_one_line(target), opener.open(target) as session:
            command(session, **arguments)

    return run


@contextmanager
def _errors_in_one_line(target: Target) -> Iterator[None]:
    """Translate errors to a line for people, with what to try next."""
    in_cluster = isinstance(target, ClusterTarget)
    try:
        yield
    except UnavailableError as error:
        others = "--context and --kubeconfig select another cluster, --data the folder of an `embark local`"
        hint = f"; {others}" if in_cluster else ""
        raise click.ClickException(f"{one_line(error)}{hint}") from None
    except CacheNotFoundError as error:
        hint = f"`kubectl get embeddingcaches -n {error.ref.namespace}` lists the caches"
        if not in_cluster:
            hint = f"`embark local` keeps its cache in {target}/cache.json"
        raise click.ClickException(f"{one_line(error)}; {hint}") from None
    except EmbArkError as error:
        raise click.ClickException(one_line(error)) from None
