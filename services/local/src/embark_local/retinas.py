"""Retina's event loop on its own thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from embark.settings import RetinaSettings
from retina.dialling import Connect
from retina.server import RetinaServer


@contextmanager
def running_retina(
    settings: RetinaSettings, models: Path, registry: CollectorRegistry, connect: Connect | None = None
) -> Iterator[RetinaServer]:
    """Run a Retina until the block ends, then drain it.

    Raises:
        EmbArkError: Retina refuses to start; the message says why.
    """
    started: Future[tuple[RetinaServer, Callable[[], object]]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = RetinaServer(settings, models=models, registry=registry, connect=connect)
        await server.start()
        try:
            started.set_result((server, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()
        finally:
            await server.stop()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # the thread that waits for the start raises it
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main, name="retina")
    thread.start()
    try:
        running, stop = started.result()
    except BaseException:
        thread.join()
        raise
    try:
        yield running
    finally:
        stop()
        thread.join()
