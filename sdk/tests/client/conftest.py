"""Fixtures of the client's tests: a server over dicts, and both clients behind one blocking interface."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import pytest

from embark.client import AsyncEmbArkClient, EmbArkClient
from embark_testing.embark.dict_embark import DictEmbArk, Rows, serving

Connect = Callable[..., EmbArkClient]


class InLoop:
    """AsyncEmbArkClient with its own loop, so that one test can run on both clients."""

    def __init__(self, target: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._make(target, options))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name in {"lookup_stream", "export"}:
            return lambda *args, **options: self._iterate(method(*args, **options))
        return lambda *args, **options: self._runner.run(method(*args, **options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    @staticmethod
    async def _make(target: str, options: dict[str, Any]) -> AsyncEmbArkClient:
        return AsyncEmbArkClient(target, **options)

    def _iterate(self, values: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(values, None)

        try:
            while (value := self._runner.run(following())) is not None:
                yield value
        finally:
            self._runner.run(values.aclose())


@pytest.fixture(params=[EmbArkClient, InLoop], ids=["threads", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Create clients that are closed after the test, with a timeout that a busy machine keeps."""
    with ExitStack() as stack:
        yield lambda target, **options: stack.enter_context(request.param(target, **{"timeout": 30.0} | options))


@pytest.fixture
def server() -> DictEmbArk:
    """A server of at most 4 keys per request, whose active space `a` has the keys k0 to k9."""
    return DictEmbArk(Rows("a").fill(*(f"k{i}" for i in range(10))))


@pytest.fixture
def target(server: DictEmbArk) -> Iterator[str]:
    """The address of `server`."""
    with serving(server) as target:
        yield target
