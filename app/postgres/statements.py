"""The SQL files: each opens with a header, and may include fragments or leave parts to be filled in.

A mark such as `/*task*/`, without spaces, stands for the text of fragments/task.sql, or for a part that the caller
fills in. Comments and indentation are not sent: psycopg parses a statement of more than 4,096 characters at each call.
"""

import re
import tomllib
from importlib.resources import files
from typing import Any, LiteralString

_SQL = files("app.postgres") / "sql"
_MARK = re.compile(r"/\*(\w+)\*/")
_NOT_SENT = re.compile(r"^ *--.*\n|^ +", re.MULTILINE)


class Template:
    """A statement with parts that the caller fills in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text = _read(name)
        self.parts = _marks(self._text)

    def fill(self, **parts: str) -> LiteralString:
        """Return the statement with these parts.

        Raises ValueError unless they are all the parts of the statement.
        """
        if parts.keys() != self.parts:
            raise ValueError(f"{self._name}.sql has the parts {sorted(self.parts)}, not {sorted(parts)}")
        return _MARK.sub(lambda mark: parts[mark[1]], self._text)


def sql(name: str) -> LiteralString:
    """Return the statement in sql/<name>.sql.

    Raises ValueError where it has parts: unfilled, they would be comments to PostgreSQL.
    """
    return Template(name).fill()


def toml(name: str) -> dict[str, Any]:
    """Return the content of sql/<name>.toml, pieces of SQL for parts, with their fragments."""
    return tomllib.loads(_expand(_SQL.joinpath(f"{name}.toml").read_text("utf-8")))


def _read(name: str) -> LiteralString:
    """Return a file of sql/ with its fragments, but without what is not sent."""
    return _expand(_NOT_SENT.sub("", _SQL.joinpath(f"{name}.sql").read_text("utf-8")))


def _expand(text: str) -> LiteralString:
    return _MARK.sub(_fragment, text)


def _fragment(mark: re.Match[str]) -> LiteralString:
    name = f"fragments/{mark[1]}"
    return _read(name).rstrip() if _SQL.joinpath(f"{name}.sql").is_file() else mark[0]


def _marks(text: str) -> set[str]:
    return {mark[1] for mark in _MARK.finditer(text)}
