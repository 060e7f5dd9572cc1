"""Start and end of every process: settings, JSON logs, exit status."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pythonjsonlogger.json import JsonFormatter

from embark.errors import EmbArkError
from embark.signals import Stopping
from embark.termination import TerminationMessage

S = TypeVar("S", bound=BaseModel)

_LOG_FIELDS: Final = {"asctime": "time", "levelname": "level", "name": "logger", "message": "message"}
_WATCH_SECONDS: Final = 1.0


class ServiceFailedError(EmbArkError):
    """An unexpected error stopped a service."""


def log_json() -> None:
    """Write the logs of this process to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def json_formatter() -> logging.Formatter:
    """Return a formatter of one JSON object a line: time, level, logger, message, and the `extra` of the call."""
    return JsonFormatter(
        list(_LOG_FIELDS),
        style="__sequence__",
        rename_fields=_LOG_FIELDS | {"exc_info": "error"},
        json_default=str,
        json_ensure_ascii=False,
    )


def settings_parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the option --settings."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file of the settings")
    return parser


def exit_status(run: Callable[[], None]) -> int:
    """Call `run` and return 0, or 1 for an error that people can fix.

    The error is a line on stderr and, in a pod, the container's TerminationMessage.
    """
    try:
        run()
    except (EmbArkError, ValidationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what a person reads when a pod does not start
        TerminationMessage.from_error(error).write_if_mounted()
        return 1
    return 0


def wait_for_stop(stopping: Stopping, failure: Callable[[], Exception | None] = lambda: None) -> None:
    """Return when `stopping` is set.

    Raises:
        ServiceFailedError: `failure` returned an error.
    """
    while not stopping.wait(_WATCH_SECONDS):
        error = failure()
        if error is not None:
            raise ServiceFailedError(f"an unexpected error stopped a service: {error!r}") from error


def read_settings(path: Path, form: type[S]) -> S:
    """Return the settings in a file.

    Raises:
        ValidationError: a field is missing or wrong; the message names it.
        OSError: the file cannot be read.
    """
    return form.model_validate_json(path.read_bytes())
