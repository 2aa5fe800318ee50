"""GET /v1/tasks/{id}."""

import httpx


def test_it_works(client: httpx.Client) -> None:
    created = client.post("/v1/tasks", json={"title": "Read me"}).json()
    response = client.get(f"/v1/tasks/{created['id']}")
    assert response.status_code == 200
    assert response.json() == created
    assert response.headers["etag"] == '"1"'
