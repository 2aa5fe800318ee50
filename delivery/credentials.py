"""Credentials that stand in a manifest as they are: in variables, arguments, annotations, ConfigMaps and URLs."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from delivery.manifests import Object

Path = tuple[str | int, ...]
Span = tuple[int, int]

# how the name of a credential ends; not that of a file, a user or another object with one
NAME = (
    r"(?:[\w.-]{0,60}?(?:password|passwd|passphrase|(?<![a-z])pass|pwd|(?<!existing)(?<!existing_)(?<!existing-)secrets?"
    r"|tokens?|credentials?"
    r"|(?:api|access|secret|private|signing|encryption|master|auth|account|license|shared|session|app)[_.-]?keys?"
    r"|secret[_.-]?key[_.-]?base|(?:password|auth|secret|nonce)[_.-]?salt))"
)
# under such a key a text is a credential wherever it stands; under others only in variables, annotations and data
ANYWHERE = re.compile(
    r"[\w.-]*?(?:password|passwd|passphrase|api_?key|access_?key|account_?key|access_?token|auth_?token)", re.IGNORECASE
)
SECRET_NAME = re.compile(rf"{NAME}\Z", re.IGNORECASE)
# within a text: `password: x`, `"apiKey": "x"`, `PASSWORD=x`, `--password=x`, `host=a password=x`
QUOTED = r"""(?:"((?:[^"\\\n]|\\.)+)"|'([^'\n]+)'|([^\s"',;&}\]]+))"""
ASSIGNED = re.compile(
    rf"""(?:^|[\s;,&?{{("'-])({NAME})["']?[ \t]*(?:=>|[:=])[ \t]*{QUOTED}""", re.IGNORECASE | re.MULTILINE
)
URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@'\"]*:([^\s/@'\"]+)(?=@)")
SCHEME = r"(?:bearer|basic|token|digest)\s+"  # of a header Authorization
AUTHORIZED = re.compile(rf"{SCHEME}[^\s\"'$<{{]{{6,}}", re.IGNORECASE)
# what stands where a program, a file or a language takes a credential
PLACED = (
    re.compile(rf"\bauthorization[\"']?\s*[:=]\s*[\"']?{SCHEME}([^\s\"',;\\]{{6,}})", re.IGNORECASE),
    re.compile(rf"""\bname["']?\s*:\s*["']?{NAME}["']?\s*,?\s*["']?value["']?\s*:\s*{QUOTED}""", re.IGNORECASE),
    re.compile(r"(?<![\w/.])[\w.-]+:([^\s/:@'\"]+)@(?:tcp|udp|unix)\("),  # Go's MySQL driver
    re.compile(r"\bthin:[\w$#]+/([^\s/@'\"]+)@"),  # Oracle's JDBC driver
    re.compile(  # SQL
        r"\b(?:(?:USER|ROLE)\s[^;\n]{0,200}?\bPASSWORD|IDENTIFIED\s+BY)\s+'([^'\n]+)'", re.IGNORECASE
    ),
    re.compile(r"\b(?:mysql\w*|mariadb[\w-]*)\s(?:[^\n;|&]{0,200}?\s)??-p(?!ort)['\"]?([^\s'\";|&]+)"),
    re.compile(r"\b(?:redis-cli\s(?:[^\n;|&]{0,200}?\s)??-a|sshpass\s+-p)\s*['\"]?([^\s'\";|&]+)"),
    re.compile(r"\bcurl\s(?:[^\n;|&]{0,200}?\s)??(?:-u|--user)[\s=]*['\"]?[^\s:'\"]+:([^\s'\"]+)"),
    re.compile(r"\blogin\s+\S+\s+password\s+(\S+)"),  # .netrc
    re.compile(r"^[\w.*-]+:(?:[0-9]+|\*):[\w.*-]+:[\w.*-]+:(\S+)$", re.MULTILINE),  # .pgpass
    re.compile(r":_(?:authToken|auth|password)\s*=\s*[\"']?([^\s\"']+)"),  # .npmrc
)
# what is a credential by its looks
LOOKS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{40,}\b|\bglpat-[\w-]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}\b|\bsk_live_\w{16,}|\bhooks\.slack\.com/services/[\w/]{20,}"
    r"|(?<=://)(?=[^\s/@:]*[0-9])[\w-]{20,}(?=@)"
    r"|\bnpm_[A-Za-z0-9]{36}\b|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
# what stands for a value: a reference, a template, a path, a word that is none
NO_VALUE = re.compile(
    r"\$\(.*\)|\$\{.*\}|\$\w+|\$__\w+\{.*\}|\{\{.*|<.*>|%\(.*\)s|\*+|(?:\.{0,2}/[\w.-]+){2,}/?|true|false|null|none|yes|no|on|off|~|\|[+-]?|>[+-]?|[{\[(].*",
    re.IGNORECASE | re.DOTALL,
)
# without which a text holds none: most texts are passed over
HINT = re.compile(
    r"pass|pwd|secret|token|credential|key|salt|authoriz|identified|:_auth|npm_|curl|mysql|mariadb|redis-cli|thin:"
    r"|://|@tcp\(|@udp\(|@unix\(|BEGIN |AKIA|gh[a-z]_|_pat_|glpat|xox|AIza|sk_live|eyJ",
    re.IGNORECASE,
)
# what names a Secret rather than being one, under a name that ends in "secret"
NAMED_SECRET = re.compile(r".*secrets?\Z", re.IGNORECASE)
OBJECT_NAME = re.compile(r"(?:[a-z0-9][a-z0-9.-]*/)?[a-z0-9][a-z0-9.-]*")
LIKE_SECRET = re.compile(r".*(?:secret|credential|password|token|cert|tls|key)s?\Z")
COUNT = re.compile(r"tokens\Z", re.IGNORECASE)  # of a limit, if its value is a number
MASK = "***"  # what is shown for a credential
REMEMBERED = 4096  # texts: overlays and both sides of a review share most of theirs
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Leaf(NamedTuple):
    """A text of an object that holds credentials."""

    path: Path
    name: str  # of the variable, argument or key
    text: str
    spans: tuple[Span, ...]  # where in the text they are


def leaves(each: Object) -> list[Leaf]:
    """Every text of an object that holds a credential. Secrets are where they belong, and hold none."""
    kind = str(each.get("kind"))
    return [] if kind in {"Secret", "CustomResourceDefinition"} else list(walk(each, (), kind))


def walk(value: Any, path: Path, kind: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield from text(inner, (*path, key), name_of(value, key, path), kind)
            elif key in {"args", "command"} and isinstance(inner, list):
                yield from arguments(inner, (*path, key))
            else:
                yield from walk(inner, (*path, key), kind)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if isinstance(inner, str):
                yield from text(inner, (*path, number), "", kind)
            else:
                yield from walk(inner, (*path, number), kind)


def name_of(mapping: Object, key: str, path: Path) -> str:
    """What a text is called that may be a credential as a whole; "" where it is none by its place."""
    if key == "value" and isinstance(mapping.get("name"), str):
        return str(mapping["name"])
    is_held = path and path[-1] in {"data", "binaryData", "annotations"}
    return str(key) if is_held or ANYWHERE.fullmatch(str(key)) else ""


def text(value: str, path: Path, name: str, kind: str) -> Iterator[Leaf]:
    if path[-2:-1] == ("binaryData",) and kind == "ConfigMap":
        try:
            decoded = base64.b64decode("".join(value.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return
        if is_credential(name, decoded) or spans(decoded, assigned=True):
            yield Leaf(path, name, value, ((0, len(value)),))
    elif not hinted(value) and not hinted(name):
        return
    elif is_credential(name, value):
        yield Leaf(path, name, value, ((0, len(value)),))
    elif found := spans(value, assigned=bool(name)):
        yield Leaf(path, name, value, found)


def arguments(values: list[Any], path: Path) -> Iterator[Leaf]:
    """`--password=x` in one argument, or `--password` and its value in two."""
    before = ""
    for number, value in enumerate(values):
        if not isinstance(value, str):
            before = ""
            continue
        if before and not value.startswith("-") and not NO_VALUE.fullmatch(value):
            yield Leaf((*path, number), before, value, ((0, len(value)),))
        elif found := spans(value, assigned=True):
            first = ASSIGNED.search(value)
            yield Leaf((*path, number), first[1] if first else "", value, found)
        before = value if value.startswith("-") and SECRET_NAME.fullmatch(value.lstrip("-")) else ""


def is_credential(name: str, value: str) -> bool:
    """Whether a value is a credential by what it is called."""
    prefix, _, last = name.rpartition("/")
    if last.lower() == "authorization":
        return AUTHORIZED.fullmatch(value.strip()) is not None
    if not SECRET_NAME.fullmatch(last) or not value.strip():
        return False
    if NAMED_SECRET.fullmatch(last) and OBJECT_NAME.fullmatch(value) and (prefix or LIKE_SECRET.fullmatch(value)):
        return False
    return not NO_VALUE.fullmatch(value.strip()) and not (COUNT.search(name) and value.strip().isdecimal())


@lru_cache(REMEMBERED)
def hinted(value: str) -> bool:
    return HINT.search(value) is not None


@lru_cache(REMEMBERED)
def spans(value: str, *, assigned: bool) -> tuple[Span, ...]:
    """Where credentials stand in a text; where it may be a file or a line of a shell, also what it assigns to names."""
    found = [match.span(1) for match in URL_PASSWORD.finditer(value) if not NO_VALUE.fullmatch(match[1])]
    found += [match.span() for match in LOOKS.finditer(value)]
    for match in (match for pattern in PLACED for match in pattern.finditer(value)):
        if (place := match.lastindex) and not NO_VALUE.fullmatch(match[place]):
            found.append(match.span(place))
    for match in ASSIGNED.finditer(value) if assigned else ():
        group = next(number for number in (2, 3, 4) if match[number])
        if is_credential(match[1], match[group]):
            found.append(match.span(group))
    return joined(found)


def joined(found: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that overlap as one."""
    result: list[Span] = []
    for start, end in sorted(found):
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return tuple(result)


def masked(leaf: Leaf, mask: str) -> str:
    """The text of a leaf without its credentials."""
    parts, done = [], 0
    for start, end in leaf.spans:
        parts += [leaf.text[done:start], mask]
        done = end
    return "".join([*parts, leaf.text[done:]])


def hide_password(found: re.Match[str]) -> str:
    """What is shown for a match of URL_PASSWORD."""
    return found[0].removesuffix(found[1]) + MASK


def where(each: Object, leaf: Leaf) -> str:
    """The place of a leaf in words a reader finds: `spec.containers[api].env[DB_PASSWORD].value`."""
    words = ""
    inner: Any = each
    for step in leaf.path:
        name = inner[step].get("name") if isinstance(step, int) and isinstance(inner[step], dict) else None
        words += f"[{step if name is None else name}]" if isinstance(step, int) else f".{step}"
        inner = inner[step]
    return words.lstrip(".")
