"""What of a change an image is rebuilt from, by what its Dockerfile copies."""

from pathlib import Path, PurePosixPath

import pytest

from delivery.review.builds import sentences
from tests.delivery.review.repository import files

TREE = {
    "app/a.py": "one",
    "tools/a.sh": "one",
    "pyproject.toml": "one",
    "requirements/run.txt": "psycopg==3.3.8\n",
    "tests/one.py": "one",
}


@pytest.mark.parametrize(
    ("dockerfile", "changed", "told"),
    [
        ("COPY app /srv/", "app/a.py", "app/"),
        ('COPY --chown=1:1 ["app", "/srv/"]', "app/a.py", "app/"),
        ("copy app /srv/", "app/a.py", "app/"),
        ("  ADD https://a.example/b app /srv/", "app/a.py", "app/"),
        ("COPY app \\\n    pyproject.toml /srv/", "pyproject.toml", "pyproject.toml"),
        ("COPY app \\\n# why\n\n    pyproject.toml /srv/", "pyproject.toml", "pyproject.toml"),
        ("RUN --mount=type=bind,source=tools,target=/t a", "tools/a.sh", "tools/"),
        ("RUN --mount=target=/t,src=tools,type=bind a", "tools/a.sh", "tools/"),
        ("COPY requirements/*.txt /srv/", "requirements/run.txt", "requirements/*.txt: psycopg 3.3.8 → 3.3.9"),
        ("COPY requirements/run.txt /srv/", "requirements/run.txt", "requirements/run.txt: psycopg 3.3.8 → 3.3.9"),
        ("COPY app /srv/", "tests/one.py", ""),
        ("COPY --from=build app /srv/", "app/a.py", ""),
        ("RUN --mount=type=bind,from=build,source=tools,target=/t a", "tools/a.sh", ""),
        ("RUN --mount=type=cache,source=tools,target=/t a", "tools/a.sh", ""),
    ],
)
def test_it_is_rebuilt(dockerfile: str, changed: str, told: str, tmp_path: Path) -> None:
    before = TREE | {"Dockerfile": f"FROM a AS build\n{dockerfile}\nUSER a\n"}
    after = before | {changed: "psycopg==3.3.9\n"}
    sides = files(tmp_path / "before", before), files(tmp_path / "after", after)
    found = [*sentences(*sides, frozenset({PurePosixPath(changed)}))]
    assert found == ([f"The image will be rebuilt ({told})."] if told else [])


def test_a_base_image_in_small_letters(tmp_path: Path) -> None:
    sides = [files(tmp_path / each, {"Dockerfile": f"from a:{each}\n"}) for each in ("1", "2")]
    [told] = sentences(sides[0], sides[1], frozenset({PurePosixPath("Dockerfile")}))
    assert told == "The image will be rebuilt (Dockerfile: base image 1 a:1 → a:2)."
