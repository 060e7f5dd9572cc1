"""HTTP client of the second port of pods: readiness, metrics and EmbArk's counts.

That port is plain HTTP even where the first port requires certificates, so its readers need none.
"""

from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from pydantic import ValidationError

from embark.errors import EmbArkError
from embark.hosts import url_host
from embark.spec.model import Model

M = TypeVar("M", bound=Model)


class PodError(EmbArkError):
    """A pod could not be reached, or its response is not what was requested."""


class PodStatusError(PodError):
    """A pod responded with an HTTP error status; `text` is the body, stripped."""

    def __init__(self, url: str, status: int, text: str) -> None:
        super().__init__(f"{url}: HTTP status {status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class PodLimits:
    """Bounds of one request: seconds of waiting for each read, and bytes of the body; longer bodies are cut off."""

    seconds: float = 2.0
    max_bytes: int = 4 << 20


class PodClient:
    """Reads from the second port of pods; thread-safe.

    Pods are reached by their addresses, so the client bypasses any proxy that the environment names.
    """

    def __init__(self, port: int, limits: PodLimits | None = None) -> None:
        self._port = port
        self._limits = limits or PodLimits()
        self._opener = build_opener(ProxyHandler({}))

    def get(self, address: str, path: str) -> str:
        """Return the body of `path` at the pod's IP address.

        Raises:
            PodStatusError: the pod responded with an error status.
            PodError: the pod could not be reached in time.
        """
        url = f"http://{url_host(address)}:{self._port}{path}"
        try:
            with self._opener.open(url, timeout=self._limits.seconds) as response:
                return self._decode(response.read(self._limits.max_bytes))
        except HTTPError as error:
            raise self._status_error(url, error) from None
        except (OSError, HTTPException) as error:
            raise PodError(f"{url}: {error}") from error

    def get_json(self, address: str, path: str, model: type[M]) -> M:
        """Return the body of `path` at the pod's IP address, parsed as `model`.

        Raises:
            PodStatusError: the pod responded with an error status.
            PodError: the pod could not be reached in time, or the body does not parse.
        """
        try:
            return model.model_validate_json(self.get(address, path))
        except ValidationError as error:
            raise PodError(f"{url_host(address)}:{self._port}{path}: {error}") from error

    def _status_error(self, url: str, error: HTTPError) -> PodError:
        with error:
            try:
                return PodStatusError(url, error.code, self._decode(error.read(self._limits.max_bytes)).strip())
            except (OSError, HTTPException) as broken:
                return PodError(f"{url}: {broken}")

    @staticmethod
    def _decode(body: bytes) -> str:
        return body.decode(errors="replace")
