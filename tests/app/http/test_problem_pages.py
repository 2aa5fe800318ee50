"""GET /problems and /problems/{name}."""

import re
from html import escape
from pathlib import Path

import httpx
import pytest

from app.leases import store
from app.problems import TYPES
from tests.support.contract import problem


@pytest.mark.parametrize("name", TYPES)
def test_it_works(anonymous: httpx.Client, name: str) -> None:
    response = anonymous.get(f"/problems/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    kind = TYPES[name]
    assert f"<h1>{escape(kind.title)}</h1>" in response.text
    assert f"status {kind.status}" in response.text
    assert "`" not in response.text


def test_the_index_leads_to_every_page(anonymous: httpx.Client) -> None:
    links = re.findall(r'href="(/problems/[^"]+)"', anonymous.get("/problems").text)
    assert links == [f"/problems/{name}" for name in TYPES]
    assert all(anonymous.get(link).status_code == 200 for link in links)


def test_every_type_is_used_and_every_used_one_is_explained(root: Path) -> None:
    source = "".join(file.read_text("utf-8") for file in (root / "app").rglob("*.py"))
    used = set(re.findall(r'\bProblem(?:WithHeaders)?\(\s*"([^"]+)"', source))
    assert used | set(store.PROBLEMS.values()) == set(TYPES)


def test_an_unknown_name_is_a_problem_itself(anonymous: httpx.Client) -> None:
    body = problem(anonymous.get("/problems/<script>"), 404, "not-found")
    assert anonymous.get(body["type"]).status_code == 200
