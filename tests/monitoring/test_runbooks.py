"""What a runbook tells a person to type, look at or look for exists."""

import re
from collections.abc import Iterator

import click
import pytest

from app.cli.main import main as taskpulse
from delivery.cli import main as delivery
from tests.monitoring import objects

RUNBOOKS = {path.stem: path.read_text("utf-8") for path in sorted((objects.FOLDER / "runbooks").glob("*.md"))}
SOURCES = "".join(path.read_text("utf-8") for path in (objects.FOLDER.parent / "app").rglob("*.py"))
LOGGED = re.findall(r'log\.\w+\(\s*"([^"]+)"', SOURCES)
PROGRAMS: dict[str, click.Command] = {"python -m delivery": delivery, "taskpulse": taskpulse}


def paths(program: str, command: click.Command) -> Iterator[str]:
    yield program
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if child := command.get_command(context, name):
                yield from paths(f"{program} {name}", child)


COMMANDS = {path for program, command in PROGRAMS.items() for path in paths(program, command)}


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_commands_of_the_project_exist(alert: str) -> None:
    for words in re.findall(rf"`((?:{'|'.join(PROGRAMS)})(?: [a-z]+)+)", RUNBOOKS[alert]):
        assert words in COMMANDS, words


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_panels_exist(alert: str) -> None:
    titles = {panel["title"] for board in objects.dashboards().values() for panel in board["panels"]}
    for title in re.findall(r"(?<!\*)\*([A-Z][^*]+)\*", RUNBOOKS[alert]):
        assert title.replace("\n", " ") in titles


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_the_service_logs_what_is_looked_for(alert: str) -> None:
    """What a line holds besides its message, as in `"status":500`, is not looked for in the sources."""
    for text in re.findall(r"logs deploy/taskpulse-api \| grep (?:-\S+ )*'?([^'\"`]+)['`]", RUNBOOKS[alert]):
        name, _, rest = text.partition(" ")
        filled = f"%s {rest}" if f"def {name}(" in SOURCES else text
        assert any(text in message or filled in message for message in LOGGED), text
