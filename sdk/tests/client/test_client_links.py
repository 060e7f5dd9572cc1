"""Channels are replaced when their certificates are renewed; the old channel finishes its calls."""

from pathlib import Path

import grpc
import pytest

from embark.rpc.certificates import CertificateError, CertificateFiles
from embark.rpc.links import ClientTls, Link
from embark_testing.embark.secured import authority_in


class Channels:
    """Counts the channels that are opened, and records those that are closed."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: list[int] = []
        self.plain = 0

    def connect(self, credentials: grpc.ChannelCredentials | None) -> int:
        self.opened += 1
        self.plain += credentials is None
        return self.opened

    def link(self, tls: ClientTls | None, time: list[float]) -> Link[int, str]:
        return Link(tls, self.connect, lambda channel: f"stub {channel}", self.closed.append, lambda: time[0])


def test_renewed_certificates_open_a_new_channel_and_the_old_one_is_closed_much_later(tmp_path: Path) -> None:
    authority = authority_in(tmp_path / "authority")
    folder = authority.identify(tmp_path / "client", "DNS:a")
    channels, time = Channels(), [0.0]
    link = channels.link(ClientTls(CertificateFiles.in_folder(folder)), time)
    time[0] = 5.0
    assert link.stub == "stub 1"
    authority.identify(folder, "DNS:a")
    time[0] = 5.5
    assert link.stub == "stub 1", "files are checked once a second"
    time[0] = 6.5
    assert link.stub == "stub 2"
    time[0] = 600.0
    assert (link.stub, channels.closed) == ("stub 2", [])
    time[0] = 610.0
    assert (link.stub, channels.closed) == ("stub 2", [1])
    assert link.close() == [2]
    authority.identify(folder, "DNS:a")
    time[0] = 620.0
    assert (link.stub, channels.opened, channels.plain) == ("stub 2", 2, 0)


def test_without_tls_one_plain_text_channel_is_used() -> None:
    channels, time = Channels(), [0.0]
    link = channels.link(None, time)
    time[0] = 5.0
    assert (link.stub, channels.opened, channels.plain) == ("stub 1", 1, 1)


def test_a_certificate_without_a_key_is_rejected_and_named(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "ca.crt", tmp_path / "tls.crt")
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        Channels().link(ClientTls(files), [0.0])
