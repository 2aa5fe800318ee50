"""GET /v1/key."""

import httpx
import pytest

from app.keys import admin
from app.keys.authentication import Scope
from tests.support.service import Service


@pytest.mark.parametrize(("scopes", "days"), [(("read",), None), (("work", "metrics"), 30)])
def test_it_tells_what_the_key_may_do(service: Service, scopes: tuple[Scope, ...], days: int | None) -> None:
    token = admin.create(service.settings, "own", scopes, days)
    found = httpx.get(f"{service.url}/v1/key", headers={"Authorization": f"Bearer {token}"}).json()
    assert found["id"] == token.split("_")[1]
    assert found["scopes"] == sorted(scopes)
    assert (found["expires_at"] is None) == (days is None)
    assert found.keys() == {"id", "scopes", "expires_at"}


def test_without_a_key_it_is_refused(anonymous: httpx.Client) -> None:
    assert anonymous.get("/v1/key").status_code == 401
