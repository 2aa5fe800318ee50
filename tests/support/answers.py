"""Answers that are no verdicts of the API: what proxies, other services and broken networks produce."""

from tests.support.proxy import Fault, problem, response

PAGE = "<html>sorry</html>"
OTHERS_PROBLEM = '{"type":"about:blank","title":"Not Found","status":404,"detail":"no route"}'

NO_VERDICTS: dict[str, bytes | Fault] = {
    **{f"{status} page": response(status, PAGE) for status in (200, 201, 400, 401, 403, 404, 409, 410, 451)},
    **{f"{status} page": response(status, PAGE) for status in (408, 418, 425, 429, 500, 501, 502, 503, 504, 520)},
    **{f"{status} redirect": response(status, location="/other") for status in (301, 302, 303, 307, 308)},
    **{
        f"302 to {place}": response(302, PAGE, location=place) for place in ("mailto:admin", "http://[", "http://xn--/")
    },
    **{f"{status} ours": problem(status, "overloaded") for status in (408, 425, 429, 500, 503)},
    "409 in progress": problem(409, "idempotency-in-progress"),
    "404 of another API": response(404, OTHERS_PROBLEM, "application/problem+json"),
    "404 with another status inside": problem(405, "not-found").replace(b"405 -", b"404 -"),
    "404 without a name": problem(404, ""),
    "404 broken problem": response(404, '{"type":"/problems/not-found","sta', "application/problem+json"),
    "404 ours as plain JSON": response(
        404, '{"type":"/problems/not-found","status":404,"detail":""}', "application/json"
    ),
    "404 problem nested deep": response(404, '{"x":' + "[" * 10_000, "application/problem+json"),
    "200 nested deep": response(200, '{"x":' + "[" * 10_000, "application/json"),
    "200 broken JSON": response(200, '{"items":[', "application/json"),
    "200 not UTF-8": response(200, b'{"items":["\xff"]}', "application/json"),
    "200 another shape": response(200, '{"tasks":[]}', "application/json"),
    "200 empty": response(200, "", "application/json"),
    "200 no content type": response(200, '{"items":[]}', "application/octet-stream"),
    "200 bad gzip": response(200, b"nonsense", "application/json", content_encoding="gzip"),
    "204": response(204),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "cut": Fault("", "cut"),
    "lost": Fault("", "lose"),
    "half": Fault("", "half"),
}


def no_verdict(name: str, path: str) -> Fault:
    """Return the fault that gives this answer to the next call of a path."""
    what = NO_VERDICTS[name]
    return Fault(path, what.how) if isinstance(what, Fault) else Fault(path, "answer", answer=what)
