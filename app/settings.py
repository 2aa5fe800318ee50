"""Settings, read once from the environment."""

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta, inspect

Network = IPv4Network | IPv6Network
Port = Annotated[int, Meta(ge=1, le=65535)]

_ORIGIN = re.compile(r"https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")


class SettingsError(Exception):
    """A setting is wrong; the message is a sentence that names it and says what it must be."""


class Settings(msgspec.Struct, frozen=True, rename="upper"):
    """What a deployment chooses; each field is the environment variable of the same name in capitals."""

    db_host: str = "localhost"
    """Host name, address, or the folder of a Unix socket."""
    db_port: Port = 5432
    db_name: str = "taskpulse"
    db_user: str = "taskpulse"
    db_password: str = ""
    db_password_file: str = ""
    """A file that holds the password; read again for each new connection, so that rotation needs no restart."""
    db_service_user: str = ""
    """For `taskpulse migrate`: the user that serves, which it makes and grants what serving takes. Empty: none."""
    db_service_password: str = ""
    db_service_password_file: str = ""
    db_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    db_sslrootcert: str = ""
    """A file of PEM certificates; needed by verify-ca and verify-full."""
    db_pool_size: Annotated[int, Meta(ge=1, le=100)] = 10
    """Connections of one process at the most; two more watch whether the database is there, and listen."""
    host: str = "0.0.0.0"  # noqa: S104 - a container is reached from outside; `taskpulse dev` binds loopback
    port: Port = 8000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    revision: str = "unknown"
    """The commit that runs: a deploy says it, and otherwise it is the one that the image was built from."""
    image_revision: str = ""
    """The commit that the image was built from; "" outside an image."""
    heavy_calls_per_key: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """Lists, histories and exports that a key may have under way at the same time in one process."""
    heavy_calls: Annotated[int, Meta(ge=1, le=100_000)] = 200
    """The same for all keys together."""
    long_polls_per_key: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Claims that wait for work that a key may have open at the same time in one process."""
    long_polls: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    event_streams_per_key: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Event streams that a key may have open at the same time in one process."""
    event_streams: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    answer_bytes: Annotated[int, Meta(ge=1024 * 1024, le=1024 * 1024 * 1024)] = 32 * 1024 * 1024
    """Bytes of lists, histories and exports that one process holds until clients have read them."""
    history_days: Annotated[int, Meta(ge=1, le=36_500)] = 365
    """Days for which changes of tasks are kept."""
    keep_finished_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days after which a finished task is deleted; None: never."""
    metrics_token: Annotated[str, Meta(pattern="^[!-~]*$")] = ""
    """A bearer token that reads /metrics, beside keys with the `metrics` scope; empty: keys only."""
    max_connections: Annotated[int, Meta(ge=10, le=65_536)] = 4096
    """Open connections of one process; fewer if the limit of open files is lower."""
    body_bytes_per_key: Annotated[int, Meta(ge=8 * 1024 * 1024, le=1024 * 1024 * 1024)] = 16 * 1024 * 1024
    """Bytes of request bodies that a key may have under way at the same time in one process."""
    body_bytes: Annotated[int, Meta(ge=8 * 1024 * 1024, le=1024 * 1024 * 1024)] = 24 * 1024 * 1024
    trusted_proxies: str = ""
    """Address ranges whose X-Forwarded-For and X-Forwarded-Proto count, separated by commas."""
    cors_origins: str = ""
    """Origins whose pages may call the API, separated by commas, or `*` for any; empty: none but its own."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Take the settings from environment variables; a variable that is absent or empty keeps its default.

        A line feed at the end is not part of a value: Secrets made from files often have one.

        Raises SettingsError for the first setting that is wrong.
        """
        names = {field.encode_name for field in msgspec.structs.fields(cls)}
        lines = {name: environment[name].rstrip("\r\n") for name in names & environment.keys()}
        given = {name: value for name, value in lines.items() if value}
        try:
            settings = msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            name = str(error).partition(" - at `$.")[2].rstrip("`")
            shown = "" if name == "METRICS_TOKEN" else f", not {json.dumps(given[name], ensure_ascii=False)}"
            raise SettingsError(f"{name} must be {_expected(name)}{shown}.") from None
        settings.read_password()
        settings.read_service_password()
        if settings.db_service_user == settings.db_user:
            raise SettingsError(
                f"DB_SERVICE_USER must be another user than DB_USER, which is {settings.db_user} too: one migrates,"
                " the other serves."
            )
        settings.read_proxies()
        settings.read_origins()
        if settings.db_sslmode.startswith("verify-") and not Path(settings.db_sslrootcert).is_file():
            raise SettingsError(
                f"DB_SSLMODE={settings.db_sslmode} needs DB_SSLROOTCERT, a file of PEM certificates;"
                f" {settings.db_sslrootcert!r} is not a file."
            )
        return settings

    def read_proxies(self) -> tuple[Network, ...]:
        """Return the ranges in TRUSTED_PROXIES.

        Raises SettingsError for one that is not a range.
        """
        try:
            return tuple(ip_network(part.strip()) for part in self.trusted_proxies.split(",") if part.strip())
        except ValueError as error:
            raise SettingsError(
                f"TRUSTED_PROXIES must be address ranges, separated by commas, as in 130.211.0.0/22: {error}."
            ) from None

    def read_origins(self) -> tuple[str, ...]:
        """Return the origins in CORS_ORIGINS as browsers send them: in lower case, without the port of the scheme.

        Raises SettingsError for one that is not an origin.
        """
        parts = [part.strip().lower() for part in self.cors_origins.split(",") if part.strip()]
        if parts == ["*"]:
            return ("*",)
        for part in parts:
            if part == "*":
                raise SettingsError("CORS_ORIGINS must be * alone or a list of origins: * allows every origin already.")
            origin = _ORIGIN.fullmatch(part)
            if origin is None or int(origin[1] or 0) > 65535:
                raise SettingsError(
                    "CORS_ORIGINS must be origins, separated by commas, as in https://board.example.com, or * for any:"
                    f" {json.dumps(part, ensure_ascii=False)} is not http:// or https:// with a host and perhaps a"
                    " port, and nothing after it."
                )
        origins = (part.removesuffix(":443" if part.startswith("https:") else ":80") for part in parts)
        return tuple(dict.fromkeys(origins))

    def read_password(self) -> str:
        """Return the password of DB_USER, from DB_PASSWORD_FILE where that is set.

        Raises SettingsError when the file cannot be read.
        """
        return _read("DB_PASSWORD_FILE", self.db_password_file, self.db_password)

    def read_service_password(self) -> str:
        """Return the password of DB_SERVICE_USER, from DB_SERVICE_PASSWORD_FILE where that is set.

        Raises SettingsError when the file cannot be read.
        """
        return _read("DB_SERVICE_PASSWORD_FILE", self.db_service_password_file, self.db_service_password)


def _read(name: str, file: str, otherwise: str) -> str:
    """Return the content of the file that the setting `name` names, or `otherwise` where it names none."""
    if not file:
        return otherwise
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}={file!r} cannot be read: {error}.") from None


def _expected(name: str) -> str:
    """Say in words what the type of a setting allows."""
    fields = cast("inspect.StructType", inspect.type_info(Settings)).fields
    kind = next(field.type for field in fields if field.encode_name == name)
    if isinstance(kind, inspect.UnionType):  # with null, for a setting that is absent
        kind = kind.types[0]
    match kind:
        case inspect.IntType(ge=lowest, le=highest):
            return f"a whole number from {lowest} to {highest}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case _:
            return "one word of visible ASCII characters"
