"""The termination message of a container: JSON by which a process reports its result to the operator."""

from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from embark.errors import UnavailableError
from embark.rollout.verdict import Verdict
from embark.settings.jobs import TERMINATION_LOG
from embark.spec.model import Model

MAX_TERMINATION_BYTES: Final = 4096
"""Kubernetes truncates a termination message after this many bytes (MaxContainerTerminationMessageLength)."""

# JSON escapes a character with at most six bytes, so an error always fits.
_MAX_ERROR_CHARACTERS: Final = 600


class TerminationMessage(Model):
    """The result of a process that has ended."""

    error: str = ""
    """Why it failed; empty: it succeeded."""
    server: str = ""
    """The server that did not answer, if that is the error: UnavailableError.server."""
    verdict: Verdict | None = None
    """The result of the verify Job."""

    @classmethod
    def from_error(cls, error: Exception) -> Self:
        """Return the message of a process that ends with `error`."""
        text = str(error).encode(errors="backslashreplace").decode()  # JSON has no lone surrogates
        if len(text) > _MAX_ERROR_CHARACTERS:
            text = f"{text[: _MAX_ERROR_CHARACTERS - 1]}…"
        return cls(error=text, server=error.server if isinstance(error, UnavailableError) else "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the message in `text`, or None: the process left none, and `text` is the end of its log."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

    def to_json(self) -> str:
        """Return the message as it is written."""
        return self.model_dump_json(by_alias=True)

    def write_if_mounted(self, path: str = TERMINATION_LOG) -> None:
        """Write the message if the kubelet mounts a file at `path`, and do nothing outside of a pod."""
        # "r+", for a file that exists: outside of a pod, root could create one in /dev.
        with suppress(OSError), Path(path).open("r+b") as file:
            file.truncate()
            file.write(self.to_json().encode())
