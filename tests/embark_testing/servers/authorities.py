"""Certificate authorities of tests, and the certificates that they sign."""

import shutil
import subprocess
import uuid
from pathlib import Path

from embark_testing.servers.maven_jars import MissingToolsError

STORE_PASSWORD = "not a secret"  # noqa: S105 - of a key that lives as long as the test
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A new authority; `folder` gets its ca.crt and ca.key.

    Raises:
        MissingToolsError: there is no openssl.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            raise MissingToolsError("certificates need openssl; Debian: apt-get install openssl")
        folder.mkdir()
        self._folder = folder
        _openssl(folder, "req", "-x509", *_KEY, "-subj", "/CN=authority", "-out", "ca.crt", "-keyout", "ca.key")

    def issue(self, name: str) -> Path:
        """Return a folder with tls.crt and tls.key for `name` on 127.0.0.1, and ca.crt, as a Secret is mounted."""
        folder = self._folder / name
        folder.mkdir()
        signed = ["-CA", "../ca.crt", "-CAkey", "../ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        output = ["-subj", f"/CN={name}", "-out", "tls.crt", "-keyout", "tls.key"]
        _openssl(folder, "req", "-x509", *_KEY, *signed, *output)
        shutil.copy(self._folder / "ca.crt", folder)
        return folder

    def identify(self, folder: Path, names: str, *, days: int = 1, common_name: str = "") -> Path:
        """Put a new key and certificate with the alternative `names`, or none, into a folder, as a Secret is renewed.

        `days` below 0: it has expired.
        """
        parts, signed = folder.parent, ["-CA", self._folder / "ca.crt", "-CAkey", self._folder / "ca.key"]
        new = parts / f"{folder.name}-{uuid.uuid4().hex}"
        new.mkdir()
        (new / "names").write_text(f"subjectAltName={names}\n" if names else "")
        _openssl(new, "req", *_KEY, "-subj", f"/CN={common_name or 'anonymous'}", "-out", "csr", "-keyout", "tls.key")
        output = ["-days", str(days), "-set_serial", str(uuid.uuid4().int >> 1), "-extfile", "names", "-out", "tls.crt"]
        _openssl(new, "x509", "-req", "-in", "csr", *map(str, signed), *output)
        shutil.copy(self._folder / "ca.crt", new)
        # One rename replaces all files, as in a kubelet.
        link = parts / f"{new.name}-link"
        link.symlink_to(new)
        link.replace(folder)
        return folder

    def trusted(self) -> Path:
        """Return a folder with only ca.crt, for a client that trusts the authority and has no certificate."""
        folder = self._folder / "trusted"
        folder.mkdir(exist_ok=True)
        shutil.copy(self._folder / "ca.crt", folder)
        return folder


def pem_store(secret: Path) -> Path:
    """Return a file with the key and the certificate of a folder of issue(), for servers that read PEM."""
    path = secret / "server.pem"
    path.write_text((secret / "tls.key").read_text() + (secret / "tls.crt").read_text())
    return path


def pkcs12_store(secret: Path) -> Path:
    """Return the same as PKCS #12 under STORE_PASSWORD, for servers that only read Java keystores."""
    given = ["-in", "tls.crt", "-inkey", "tls.key", "-passout", f"pass:{STORE_PASSWORD}"]
    _openssl(secret, "pkcs12", "-export", *given, "-out", "server.p12")
    return secret / "server.p12"


def _openssl(folder: Path, *arguments: str) -> None:
    ran = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S607
    assert ran.returncode == 0, ran.stderr
