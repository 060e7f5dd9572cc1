"""The process of Retina: `python -m retina --settings FILE [--models FOLDER]`."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from prometheus_client import REGISTRY
from pydantic import ValidationError

from embark.settings import RetinaSettings
from retina.errors import RefusedError
from retina.server import serve


async def run(settings: RetinaSettings, models: Path) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(settings, models=models, registry=REGISTRY):
        await stopped.wait()


def main() -> int:
    """Run as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="retina", description="Encode images or texts for one space.")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file of RetinaSettings")
    parser.add_argument(
        "--models",
        type=Path,
        default=Path("~/.cache/embark/models").expanduser(),
        help="folder of models, sha256-<digest>.onnx (default: %(default)s)",
    )
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = RetinaSettings.model_validate_json(asked.settings.read_bytes())
        asyncio.run(run(settings, asked.models))
    except (RefusedError, ValidationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what an operator reads when a pod does not start
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
