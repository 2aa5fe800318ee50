"""The files of GET /board."""

import re
from importlib.resources import files

import httpx
import pytest

FOLDER = files("app.http").joinpath("board")
NAMES = sorted(file.name for file in FOLDER.iterdir())
MODULES = [name for name in NAMES if name.endswith(".js")]


def test_it_is_small() -> None:
    assert sum(len(FOLDER.joinpath(name).read_bytes()) for name in NAMES) < 100_000


@pytest.mark.parametrize("name", [name for name in NAMES if name != "index.html"])
def test_each_file_is_served_and_asked_for_again(anonymous: httpx.Client, name: str) -> None:
    response = anonymous.get(f"/board/{name}")
    assert response.status_code == 200
    assert response.content == FOLDER.joinpath(name).read_bytes()
    kind = "text/javascript" if name.endswith(".js") else "text/css"
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["index.html", "nope.js", "%2e%2e%2fkey.py", "main.js%00"])
def test_there_is_no_other(anonymous: httpx.Client, name: str) -> None:
    assert anonymous.get(f"/board/{name}").status_code == 404


def test_the_page_runs_only_its_own_scripts(anonymous: httpx.Client) -> None:
    response = anonymous.get("/board")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "://" not in response.text
    assert re.findall(r"<script[^>]*>[^<]", response.text) == []


@pytest.mark.parametrize("name", MODULES)
def test_no_module_parses_html_or_asks_another_host(name: str) -> None:
    text = FOLDER.joinpath(name).read_text("utf-8")
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text) == []
    assert re.findall(r"https?://", text.replace("http://www.w3.org/2000/svg", "")) == []


@pytest.mark.parametrize("name", MODULES)
def test_every_import_is_a_file_that_exports_it(name: str) -> None:
    text = FOLDER.joinpath(name).read_text("utf-8")
    export = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)
    for imported, source in re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", text):
        exported = export.findall(FOLDER.joinpath(source).read_text("utf-8"))
        assert {each.strip() for each in imported.split(",")} <= {*exported}
