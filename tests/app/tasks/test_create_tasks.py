"""POST /v1/tasks/batch."""

import httpx


def test_it_works(client: httpx.Client) -> None:
    sent = [{"title": "Count stock"}, {"title": "Order paper", "labels": ["office"], "status": "done"}]
    response = client.post("/v1/tasks/batch", json={"tasks": sent})
    assert response.status_code == 201
    assert list(response.json()) == ["items"]
    first, second = response.json()["items"]
    assert (first["title"], first["labels"], first["finished_at"]) == ("Count stock", [], None)
    assert (second["title"], second["labels"]) == ("Order paper", ["office"])
    assert second["finished_at"] == second["created_at"]
    assert client.get(f"/v1/tasks/{second['id']}").json() == second


def test_a_thousand_come_back_in_the_order_given(client: httpx.Client) -> None:
    sent = [{"title": f"task {number}", "payload": {"number": number}} for number in range(1000)]
    items = client.post("/v1/tasks/batch", json={"tasks": sent}).json()["items"]
    assert [item["payload"]["number"] for item in items] == list(range(1000))
    assert [item["id"] for item in items] == sorted(item["id"] for item in items)
