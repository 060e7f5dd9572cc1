"""Certificates in files, such as those of a mounted Secret, read again when they change.

Files are checked before they are used: while only a certificate or only its key was replaced, the old pair stays.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, cast

import grpc

from embark.errors import EmbArkError
from embark.files import FileWatcher, read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_READS: Final = 5


class CertificateError(EmbArkError):
    """A file of a certificate, its key or its authority cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM for gRPC: the trusted authority, and a certificate with its key."""

    authority: bytes
    certificate: bytes | None
    private_key: bytes | None


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of certificates; a client without a certificate names only an authority."""

    authority: Path
    certificate: Path | None = None
    private_key: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return the files of a folder that a Secret of type kubernetes.io/tls is mounted at."""
        return cls(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")

    def read(self) -> Certificates:
        """Return the contents of the files, all at one moment.

        Raises:
            CertificateError: a file is missing or is not PEM, or the key does not match the certificate.
        """
        if (self.certificate is None) != (self.private_key is None):
            raise CertificateError(
                f"a certificate requires its key, and a key its certificate: {self.certificate or self.private_key}"
            )
        for _ in range(_MAX_READS):
            before = read_stamp(self.paths)
            found = Certificates(_bytes(self.authority), _optional(self.certificate), _optional(self.private_key))
            self._check(found)
            if read_stamp(self.paths) == before:
                return found
        raise CertificateError(f"{self.authority}: the files changed during each of {_MAX_READS} reads")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are named."""
        return tuple(path for path in (self.authority, self.certificate, self.private_key) if path)

    def _check(self, found: Certificates) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=found.authority.decode(errors="replace"))
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(f"{self.authority} is not a certificate of an authority: {error}") from None
        if self.certificate and self.private_key:
            try:
                context.load_cert_chain(self.certificate, self.private_key, password="")
            except (ssl.SSLError, OSError, ValueError) as error:
                pair = f"{self.certificate} and {self.private_key}"
                raise CertificateError(f"{pair} are not a certificate and its key: {error}") from None


def watch_certificates(files: CertificateFiles) -> FileWatcher[Certificates]:
    """Return the certificates in `files`, which are read again when they change.

    Raises:
        CertificateError: a file cannot be used.
    """
    return FileWatcher("certificates", files.paths, files.read, CertificateError)


def server_credentials(folder: Path, *, client_certificates: bool) -> grpc.ServerCredentials:
    """Return the credentials of a server; each handshake checks whether the files of `folder` have changed.

    Raises:
        CertificateError: a file cannot be used.
    """
    watcher = watch_certificates(CertificateFiles.in_folder(folder))

    def configuration(found: Certificates) -> grpc.ServerCertificateConfiguration:
        trusted = found.authority if client_certificates else None
        pair = (found.private_key or b"", found.certificate or b"")
        return grpc.ssl_server_certificate_configuration([pair], trusted)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        return configuration(watcher.current) if watcher.renew() else None

    # None means no change, which the type of the stubs does not allow.
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", renewed)
    return grpc.dynamic_ssl_server_credentials(configuration(watcher.current), fetch, client_certificates)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}") from None


def _optional(path: Path | None) -> bytes | None:
    return None if path is None else _bytes(path)
