"""Entry point of the Retina process: `python -m retina --settings FILE [--models FOLDER]`."""

from embark.signals import exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # the imports below take a second

import asyncio
import os
import signal
import sys
from pathlib import Path

from prometheus_client import REGISTRY

from embark.processes import exit_status, log_json, read_settings, settings_parser
from embark.settings import RetinaSettings
from retina.models import models_folder
from retina.server import RetinaServer


async def run(settings: RetinaSettings, models: Path) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = RetinaServer(settings, models=models, registry=REGISTRY)
    await server.start()
    try:
        await stopped.wait()
    finally:
        await server.stop()


def main() -> int:
    """Run the command line; return the exit status."""
    parser = settings_parser("retina", "Encode images or texts for one space.")
    parser.add_argument(
        "--models",
        type=Path,
        default=models_folder(os.environ),
        help="folder of models, sha256-<digest>.onnx (default: %(default)s)",
    )
    args = parser.parse_args()
    log_json()
    return exit_status(lambda: asyncio.run(run(read_settings(args.settings, RetinaSettings), args.models)))


if __name__ == "__main__":
    sys.exit(main())
