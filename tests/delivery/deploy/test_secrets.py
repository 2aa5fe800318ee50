"""Secrets from a folder."""

import base64
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.secrets import load, values_of

USER = {"DB_USER": "taskpulse"}


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).write_text(f"value of {name}")
    return path


def test_it_works(tmp_path: Path) -> None:
    database = ("taskpulse-database-password", "taskpulse-service-password")
    names = (*database, "taskpulse-slack-webhook", "taskpulse-smtp-password")
    secrets = load(folder(tmp_path, *names, "taskpulse-grafana-password"), "taskpulse", USER)
    found = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): {
            key: base64.b64decode(value).decode() for key, value in each["data"].items()
        }
        for each in secrets
    }
    alerting = {
        "slack-webhook-url": "value of taskpulse-slack-webhook",
        "smtp-password": "value of taskpulse-smtp-password",
    }
    assert found == {
        ("taskpulse", "taskpulse-secret"): {
            "DB_USER": "taskpulse",
            "DB_PASSWORD": "value of taskpulse-database-password",
            "DB_SERVICE_USER": "taskpulse_service",
            "DB_SERVICE_PASSWORD": "value of taskpulse-service-password",
        },
        ("taskpulse", "taskpulse-alerting"): alerting,
        ("monitoring", "taskpulse-alerting"): alerting,
        ("monitoring", "taskpulse-grafana"): {
            "admin-user": "admin",
            "admin-password": "value of taskpulse-grafana-password",
        },
    }
    assert values_of(secrets) == {f"value of {name}" for name in (*names, "taskpulse-grafana-password")}


def test_a_database_password_needs_its_user(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="DB_USER is not set"):
        load(folder(tmp_path, "taskpulse-database-password", "taskpulse-service-password"), "taskpulse", {})


def test_an_unknown_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"taskpulse-pasword is no secret of secrets\.yaml"):
        load(folder(tmp_path, "taskpulse-pasword"), "taskpulse", USER)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taskpulse-metrics-token").touch()
    with pytest.raises(DeliveryError, match="taskpulse-metrics-token is empty"):
        load(tmp_path, "taskpulse", USER)


def test_half_a_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DeliveryError, match="taskpulse-smtp-password is missing: with taskpulse-slack-webhook it makes"
    ):
        load(folder(tmp_path, "taskpulse-slack-webhook"), "taskpulse", USER)
