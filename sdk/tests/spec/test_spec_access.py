"""`spec.network`: which pods may reach those of a cache."""

import pytest
from pydantic import ValidationError

from embark.spec.access import Access, Peer


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ()),
        ("app=ranker", (("app", "ranker"),)),
        ("app.kubernetes.io/name=ranker,tier=", (("app.kubernetes.io/name", "ranker"), ("tier", ""))),
    ],
)
def test_labels_are_parsed_as_kubectl_writes_them(text: str, labels: tuple[tuple[str, str], ...]) -> None:
    assert Peer(pods=text).labels == labels


@pytest.mark.parametrize(
    "text",
    [
        *("app", "=ranker", "app=a=b", "app==ranker", "app!=ranker", "app=ranker,", ",app=ranker", "app in (a)"),
        *("App.io/-a=b", "/app=ranker", "A/app=ranker", "a_b/app=c", f"{'a' * 64}=b", f"a={'b' * 64}", "app=ranker\n"),
    ],
)
def test_labels_that_no_pod_can_have_are_rejected(text: str) -> None:
    with pytest.raises(ValidationError):
        Peer(pods=text)


def test_policies_are_enabled_by_default() -> None:
    assert Access() == Access(policies=True, clients=(), monitoring=())
