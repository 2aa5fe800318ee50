"""GET /problems: the pages that explain each type of problem."""

from html import escape

from litestar import MediaType, Router, get
from litestar.params import FromPath

from app.http.html_page import POLICY, html_page
from app.http.openapi import problem_responses
from app.problems import TYPES, Problem


@get(
    "/{name:str}",
    operation_id="explainProblem",
    summary="What a problem type means",
    media_type=MediaType.HTML,
    opt={"policy": POLICY},
    responses=problem_responses(only=(404,)),
)
async def explain(name: FromPath[str]) -> str:
    """Explain one problem type."""
    kind = TYPES.get(name)
    if kind is None:
        raise Problem("not-found", f"There is no problem type {name!r}. They are listed at /problems.")
    return html_page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1>\n<p><code>{name}</code>, status {kind.status}\n"
        f"<h2>What it means</h2>\n<p>{_prose(kind.meaning)}\n<h2>What to do</h2>\n<p>{_prose(kind.remedy)}\n"
        f'<p><a href="/problems">All problem types</a>',
    )


@get(
    "/",
    operation_id="listProblems",
    summary="All problem types",
    media_type=MediaType.HTML,
    opt={"policy": POLICY},
)
async def index() -> str:
    """List every problem type."""
    rows = "".join(
        f'<li>{kind.status} <a href="/problems/{name}">{name}</a>: {escape(kind.title)}\n'
        for name, kind in TYPES.items()
    )
    return html_page("Problem types", f"<h1>Problem types</h1>\n<ul>\n{rows}</ul>")


def _prose(text: str) -> str:
    """Turn `code` in back quotes into HTML."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


router = Router("/problems", route_handlers=[index, explain], tags=["Errors"])
