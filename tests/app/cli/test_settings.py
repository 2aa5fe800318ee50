"""Settings: a wrong one stops the start with a sentence that names it."""

import subprocess
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError
from tests.support.service import TASKPULSE, Service, environment

WRONG = [
    ("PORT", "http"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("DB_PORT", "abc"),
    ("DB_PORT", "54\n32"),
    ("DB_POOL_SIZE", "0"),
    ("DB_POOL_SIZE", "101"),
    ("DB_POOL_SIZE", "1.5"),
    ("MAX_CONNECTIONS", "9"),
    ("BODY_BYTES", "1000"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("TRUSTED_PROXIES", "10.0.0.0/8 192.0.2.0/24"),
    ("TRUSTED_PROXIES", "proxy.example"),
    ("CORS_ORIGINS", "board.example"),
    ("CORS_ORIGINS", "https://board.example/"),
    ("CORS_ORIGINS", "https://board.example, https://other.example/path"),
    ("CORS_ORIGINS", "https://board.example https://other.example"),
    ("CORS_ORIGINS", "https://*.example"),
    ("CORS_ORIGINS", "*, https://board.example"),
    ("CORS_ORIGINS", "null"),
    ("CORS_ORIGINS", "ftp://board.example"),
    ("CORS_ORIGINS", "https://me@board.example"),
    ("CORS_ORIGINS", "https://board.example:65536"),
    ("CORS_ORIGINS", "https://bücher.example"),
    ("KEEP_FINISHED_DAYS", "0"),
    ("KEEP_FINISHED_DAYS", "36501"),
    ("KEEP_FINISHED_DAYS", "for ever"),
    ("KEEP_FINISHED_DAYS", "1.5"),
    ("DB_SSLMODE", "on"),
    ("DB_SSLMODE", "verify-ca"),
    ("LOG_LEVEL", "debug"),
    ("LOG_LEVEL", "TRACE"),
    ("DB_PASSWORD_FILE", "/nonexistent/password"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_one_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environment(Settings(), **{name: value}))
    sentence = str(refused.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_the_command_says_the_sentence_and_ends() -> None:
    variables = environment(Settings(), PORT="http")
    ended = subprocess.run([TASKPULSE, "serve"], env=variables, capture_output=True, text=True, check=False, timeout=60)
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(variables)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"Error: {refused.value}\n")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DB_PORT", "abc", 'DB_PORT must be a whole number from 1 to 65535, not "abc".'),
        ("DB_POOL_SIZE", "101", 'DB_POOL_SIZE must be a whole number from 1 to 100, not "101".'),
        ("LOG_LEVEL", "debug", 'LOG_LEVEL must be one of DEBUG, ERROR, INFO, WARNING, not "debug".'),
        ("KEEP_FINISHED_DAYS", "0", 'KEEP_FINISHED_DAYS must be a whole number from 1 to 36500, not "0".'),
        (
            "CORS_ORIGINS",
            "https://Board.test/",
            "CORS_ORIGINS must be origins, separated by commas, as in https://board.example.com, or * for any:"
            ' "https://board.test/" is not http:// or https:// with a host and perhaps a port, and nothing after it.',
        ),
        ("PORT", "8\n0", 'PORT must be a whole number from 1 to 65535, not "8\\n0".'),
    ],
)
def test_the_sentence_says_what_it_must_be(name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment({name: value})
    assert str(wrong.value) == sentence


def test_it_works() -> None:
    settings = Settings.from_environment({"PORT": "9000", "DB_POOL_SIZE": "", "LOG_LEVEL": "ERROR", "OTHER": "x"})
    assert (settings.port, settings.db_pool_size, settings.log_level) == (9000, 10, "ERROR")


def test_a_line_feed_at_the_end_is_no_part_of_a_value() -> None:
    given = {"METRICS_TOKEN": "secret\n", "DB_PASSWORD": "pass word\r\n", "DB_HOST": "\n", "PORT": "9000\n"}
    settings = Settings.from_environment(given)
    assert (settings.metrics_token, settings.db_password) == ("secret", "pass word")
    assert (settings.db_host, settings.port) == ("localhost", 9000)


@pytest.mark.parametrize("token", ["two words", "s\u00e9cret"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(
        SettingsError, match=r"^METRICS_TOKEN must be one word of visible ASCII characters\.$"
    ) as refused:
        Settings.from_environment({"METRICS_TOKEN": token})
    assert token not in str(refused.value)


def test_the_password_is_read_anew_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    settings = Settings.from_environment({"DB_PASSWORD_FILE": str(file)})
    assert settings.read_password() == "first"
    file.write_text("second")
    assert settings.read_password() == "second"


def test_a_taken_port(service: Service) -> None:
    port = service.port
    variables = environment(Settings(), PORT=str(port), HOST="127.0.0.1")
    ended = subprocess.run([TASKPULSE, "serve"], env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert f"Error: Port {port} on 127.0.0.1 cannot be used (Address already in use)" in ended.stderr


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://board.example", ("https://board.example",)),
        ("HTTPS://Board.Example:443, http://a.example:80,", ("https://board.example", "http://a.example")),
        ("http://localhost:3000,http://[::1]:8080", ("http://localhost:3000", "http://[::1]:8080")),
        ("https://a.example,https://a.example", ("https://a.example",)),
    ],
)
def test_origins_are_those_that_browsers_send(value: str, origins: tuple[str, ...]) -> None:
    assert Settings(cors_origins=value).read_origins() == origins
