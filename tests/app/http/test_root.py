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
    assert response.json() == {"name": "TaskPulse", "version": __version__, "revision": "unknown", "docs": "/docs"}
    assert "server" not in response.headers


def test_the_revision_of_the_image(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    service = Service(fresh_database(postgres), tmp_path / "log", {"REVISION": "4f2a9c1"})
    service.start()
    try:
        assert httpx.get(service.url).json()["revision"] == "4f2a9c1"
        scrape = httpx.get(f"{service.url}/metrics", headers={"Authorization": "Bearer scrape-me"})
        assert f'taskpulse_build_info{{revision="4f2a9c1",version="{__version__}"}} 1.0' in scrape.text
    finally:
        service.stop(signal.SIGINT)
