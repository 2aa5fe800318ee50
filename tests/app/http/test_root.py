"""GET /."""

import signal
from pathlib import Path

import httpx

from app import __version__
from app.dev.postgres import EmbeddedPostgres
from tests.support.service import Service, fresh_database


def test_it_works(anonymous: httpx.Client) -> None:
    response = anonymous.get("/")
    assert response.status_code == 200
    assert response.json() == {
        "name": "TaskPulse",
        "version": __version__,
        "revision": "unknown",
        "docs": "/docs",
        "board": "/board",
    }
    assert "server" not in response.headers


def test_what_was_deployed_and_what_the_image_was_built_from(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    settings = {"REVISION": "4f2a9c1", "IMAGE_REVISION": "b7e01d5"}
    service = Service(fresh_database(postgres), tmp_path / "log", settings)
    service.start()
    try:
        shown = httpx.get(service.url).json()
        assert (shown["revision"], shown["image_revision"]) == ("4f2a9c1", "b7e01d5")
        scrape = httpx.get(f"{service.url}/metrics", headers={"Authorization": "Bearer scrape-me"})
        assert f'taskpulse_build_info{{revision="4f2a9c1",version="{__version__}"}} 1.0' in scrape.text
    finally:
        service.stop(signal.SIGINT)
