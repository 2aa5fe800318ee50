"""The HTML of pages of text: problem types and guides."""

from html import escape

from app.http.answer_headers import inline, page_policy

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }
body { overflow-wrap: break-word }
pre, table { display: block; overflow-x: auto }
pre { padding: 0.75rem; border: 1px solid #8888; font-size: 0.875rem }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0 }
"""
POLICY = page_policy(f"style-src {inline(_STYLE)}", "img-src 'self'")
"""The content security policy of these pages."""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - TaskPulse</title>
<link rel="icon" type="image/svg+xml" href="/favicon.svg">
<style>{style}</style>
<body>
<main>
{body}
</main>
</html>
"""


def html_page(title: str, body: str) -> str:
    """Return a page; `title` is text, and `body` is HTML."""
    return _PAGE.format(style=_STYLE, title=escape(title), body=body)
