"""A channel is made anew when its certificates are renewed, and the one before it is not closed under its calls."""

from pathlib import Path

import grpc
import pytest

from embark.rpc.certificates import CertificateError, CertificateFiles, files_of
from embark.rpc.links import ClientTls, Link
from embark_testing.embark.secured import authority_in


class Channels:
    """Counts the channels that are made, and keeps those that are closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.plain = 0

    def connect(self, credentials: grpc.ChannelCredentials | None) -> int:
        self.made += 1
        self.plain += credentials is None
        return self.made

    def link(self, tls: ClientTls | None, time: list[float]) -> Link[int, str]:
        return Link(tls, self.connect, lambda channel: f"stub {channel}", self.closed.append, lambda: time[0])


def test_renewed_files_make_a_new_channel_and_the_left_one_is_closed_much_later(tmp_path: Path) -> None:
    authority = authority_in(tmp_path / "authority")
    folder = authority.identify(tmp_path / "client", "DNS:a")
    channels, time = Channels(), [0.0]
    link = channels.link(ClientTls(files_of(folder)), time)
    time[0] = 5.0
    assert link.stub == "stub 1"
    authority.identify(folder, "DNS:a")
    time[0] = 5.5
    assert link.stub == "stub 1", "files are looked at once a second"
    time[0] = 6.5
    assert link.stub == "stub 2"
    time[0] = 600.0
    assert (link.stub, channels.closed) == ("stub 2", [])
    time[0] = 610.0
    assert (link.stub, channels.closed) == ("stub 2", [1])
    assert link.close() == [2]
    authority.identify(folder, "DNS:a")
    time[0] = 620.0
    assert (link.stub, channels.made, channels.plain) == ("stub 2", 2, 0)


def test_without_tls_there_is_one_channel_in_plain_text() -> None:
    channels, time = Channels(), [0.0]
    link = channels.link(None, time)
    time[0] = 5.0
    assert (link.stub, channels.made, channels.plain) == ("stub 1", 1, 1)


def test_a_certificate_without_a_key_is_refused_and_named(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "ca.crt", tmp_path / "tls.crt")
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        Channels().link(ClientTls(files), [0.0])
