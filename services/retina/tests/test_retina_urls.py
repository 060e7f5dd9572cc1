"""The URLs that Retina fetches."""

import pytest

from embark.causes import CauseError, CauseKind
from retina.urls import parse_url

BOTH = ("https", "http")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file:///etc/passwd", "scheme 'file'"),
        ("gopher://example.com/", "scheme 'gopher'"),
        ("ftp://example.com/a.jpg", "scheme 'ftp'"),
        ("data:image/png;base64,AAAA", "scheme 'data'"),
        ("//example.com/a.jpg", "scheme ''"),
        ("not a url", "space"),
        ("photograph.jpg", "scheme ''"),
        ("http://user:secret@example.com/", "user information"),
        ("http://user@example.com/", "user information"),
        ("http://@example.com/", "user information"),
        ("http://2130706433/", "four plain decimals"),
        ("http://0177.0.0.1/", "four plain decimals"),
        ("http://0x7f.0.0.1/", "four plain decimals"),
        ("http://0x7f000001/", "four plain decimals"),
        ("http://127.1/", "four plain decimals"),
        ("http://127.0.0.1.2/", "four plain decimals"),
        ("http://127.0.0.1./", "four plain decimals"),
        ("http://2130706433./", "four plain decimals"),
        ("http:///a.jpg", "malformed|no host"),
        ("http://./a.jpg", "no host"),
        ("http://a..example/", "not a valid name"),
        (f"http://{'a' * 64}.example/", "not a valid name"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:99999/", "malformed"),
        ("http://example.com:http/", "malformed"),
        ("http://[::1/", "malformed"),
        ("http://example.com\\@127.0.0.1/", "backslash"),
        ("http://example.com/\na", "control"),
        (" http://example.com/", "space"),
    ],
)
def test_a_malformed_or_ambiguous_url_is_blocked(text: str, message: str) -> None:
    with pytest.raises(CauseError, match=message) as caught:
        parse_url(text, BOTH)
    assert caught.value.cause.kind is CauseKind.BLOCKED
    assert "secret" not in caught.value.cause.detail


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://example.com/a.jpg?size=9#top", "example.com"),
        ("https://EXAMPLE.com./a.jpg", "example.com."),
        ("https://bücher.example/a.jpg", "xn--bcher-kva.example"),
        ("http://127.0.0.1:8080/a.jpg", "127.0.0.1"),
        ("http://[::1]:8080/a.jpg", "::1"),
        ("http://127.0.0.1.example/", "127.0.0.1.example"),
        ("http://127。0。0。1/", "127.0.0.1"),
    ],
)
def test_a_plain_url_is_accepted_with_its_host_as_it_is_resolved(text: str, host: str) -> None:
    assert parse_url(text, BOTH).raw_host == host


def test_a_scheme_that_the_cache_does_not_allow_is_blocked() -> None:
    with pytest.raises(CauseError, match="scheme 'http' is not allowed; use https"):
        parse_url("http://example.com/", ("https",))
