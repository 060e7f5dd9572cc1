import socket
from datetime import timedelta
from typing import NoReturn

import pytest

from embark.clock import now
from embark.errors import UnavailableError
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.caches import sample_settings


def test_contact_points_without_an_address_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = []

    def resolve(host: str, *_: object) -> NoReturn:
        resolved.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    settings = sample_settings("photos", store={"cassandra": {"contactPoints": ["nowhere", "neither"]}}).kfc.store
    store = CassandraStore(settings, now)
    try:
        with pytest.raises(UnavailableError, match="no contact point has an address: nowhere, neither"):
            store.lookup("7bdb635910b3", ["key"], timedelta(seconds=10))
    finally:
        store.close()
    assert set(resolved) == {"nowhere", "neither"}
