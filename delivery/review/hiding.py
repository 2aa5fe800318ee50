"""What of an object is compared and never shown: Secrets, wherever they stand, values of charts, and credentials."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from delivery import credential_spans, credentials
from delivery.credential_patterns import URL_PASSWORD
from delivery.credentials import LAST_APPLIED, MASK, hide_password
from delivery.manifests import Loader, Object, dig

SHOWN = {"apiVersion", "kind", "type", "immutable"}  # of a Secret
SHOWN_METADATA = {"name", "namespace", "labels"}
HELD = ("data", "stringData")
# kinds that hold values of a chart, and where
CHARTS = {
    "HelmValues": "values",
    **dict.fromkeys(
        ("HelmRelease", "HelmChart", "HelmChartConfig", "Release", "Application", "ApplicationSet"), "spec"
    ),
}

# keys of a chart's values, and of Alertmanager's configuration in them, under which secrets are kept
SECRET_KEYS = re.compile(
    r"(?i)(.*((?<![a-z])pass|pwd|pass(word|wd|phrase)s?|tokens?|credentials?|(?<!existing)(?<!existing_)secret|(?<!pull)secrets|dsn|connection_?string)"
    r"|.*(secret|private|access|api|service|routing|user|signing|encryption)_?keys?(_base)?|.*(api|webhook)_?urls?"
    r"|authorization|url)\Z"
)
ASSIGNED = re.compile(
    r"^([\s-]*[\"']?([\w.-]+)[\"']?\s*[:=][ \t]*)(\S.*)$", re.MULTILINE
)  # within a file among the values
EMBEDDED = re.compile(r"""(?m)^[\s-]*["']?kind["']?\s*:\s*["']?Secret\b|"kind"\s*:\s*"Secret\"""")


class Hidden:
    """A value that is compared and never shown, and what is shown for it."""

    def __init__(self, value: Any, shown: str = MASK) -> None:
        self.value, self.shown = value, shown

    def __eq__(self, other: object) -> bool:
        # to Python, 1 and true are equal
        return isinstance(other, Hidden) and (type(self.value), self.value) == (type(other.value), other.value)

    def __hash__(self) -> int:
        return hash(MASK)


def hide(each: Object, leaves: Iterable[credentials.Leaf]) -> Object:
    """The object with `Hidden` in place of whatever may hold a secret; `leaves` are the credentials in it."""
    if each["kind"] == "Secret":
        return hide_secret(each)
    result: Object = hide_embedded(each, makes=makes_secrets(each))
    if part := CHARTS.get(each["kind"]):
        result = {**result, part: hide_keys(result.get(part))}
    for leaf in leaves:
        result = replaced(result, leaf.path, lambda value, leaf=leaf: hide_leaf(value, leaf))
    if dig(each, "metadata", "annotations", LAST_APPLIED) is not None:
        result = replaced(result, ("metadata", "annotations", LAST_APPLIED), Hidden)
    return result


def hide_leaf(value: Any, leaf: credentials.Leaf) -> Any:
    return value if isinstance(value, Hidden) else Hidden(value, credentials.masked(leaf, MASK))


def hide_secret(each: Object) -> Object:
    metadata = each.get("metadata") or {}
    metadata = {key: value if key in SHOWN_METADATA else hide_values(value) for key, value in metadata.items()}
    shown = {key: value if key in SHOWN else hide_values(value) for key, value in each.items()}
    return {**shown, "metadata": metadata} if "metadata" in each else shown


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get("kind") == "Secret" and any(part in value for part in HELD)


def makes_secrets(value: Any) -> bool:
    """Whether an object is one of those from which an operator makes Secrets: ExternalSecret, SealedSecret and more."""
    return isinstance(value, dict) and str(value.get("kind")).endswith("Secret")


def template_of_secret(value: Object, *, makes: bool) -> dict[str, Any]:
    """The fields of a mapping that hold literal values of a Secret which is made of it, with them."""
    if not (makes and "data" in value) and "stringData" not in value:
        return {}
    found = {key: value[key] for key in HELD if isinstance(value.get(key), dict) and (makes or key == "stringData")}
    return {key: {name: text for name, text in held.items() if "{{" not in str(text)} for key, held in found.items()}


def hide_embedded(value: Any, *, makes: bool = False) -> Any:
    """Secrets within another object: as an object, such as in a template, or as YAML or JSON in a text."""
    if is_secret(value):
        return hide_secret(value)
    if isinstance(value, dict):
        hidden = {key: hide_embedded(each, makes=makes) for key, each in value.items()}
        for key, held in template_of_secret(value, makes=makes).items():
            hidden[key] |= hide_values(held)
        return hidden
    if isinstance(value, list):
        return [hide_embedded(each, makes=makes) for each in value]
    if isinstance(value, str) and EMBEDDED.search(value):
        return Hidden(value, without_secrets(value))
    return value


def without_secrets(text: str) -> str:
    """A text of YAML without the values of the Secrets in it; MASK where it cannot be read."""
    parts, done = [], 0
    try:
        for start, end in sorted(spans(text)):
            parts += [text[done:start], MASK]
            done = end
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return MASK
    return "".join([*parts, text[done:]]) if parts else MASK


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the values of Secrets stand in a text of YAML."""
    for document in yaml.compose_all(text, Loader):
        nodes: list[yaml.Node] = [document] if document else []
        for node in nodes:
            if isinstance(node, yaml.MappingNode):
                fields = {key.value: value for key, value in node.value}
                is_one = getattr(fields.get("kind"), "value", "") == "Secret"
                for key, value in fields.items():
                    if is_one and key in HELD and isinstance(value, yaml.MappingNode):
                        yield from ((inner.start_mark.index, inner.end_mark.index) for _, inner in value.value)
                    else:
                        nodes.append(value)
            elif isinstance(node, yaml.SequenceNode):
                nodes.extend(node.value)


def secrets_in(value: Any) -> Iterator[Object]:
    """The Secrets within an object, itself included, what it makes Secrets of, and Secrets within its texts."""
    yield from held_in(value, makes=makes_secrets(value))


def held_in(value: Any, *, makes: bool) -> Iterator[Object]:
    if is_secret(value):
        yield value
    elif isinstance(value, dict):
        if held := template_of_secret(value, makes=makes):
            yield held
        for each in value.values():
            yield from held_in(each, makes=makes)
    elif isinstance(value, list):
        for each in value:
            yield from held_in(each, makes=makes)
    elif isinstance(value, str) and EMBEDDED.search(value):
        try:
            for each in yaml.load_all(value, Loader):
                yield from secrets_in(each) if isinstance(each, dict | list) else ()
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            return


def replaced(value: Any, path: credentials.Path, change: Any) -> Any:
    """The value with what is at a path changed."""
    if not path or isinstance(value, Hidden):
        return change(value) if not path else value
    if isinstance(value, dict):
        return {**value, path[0]: replaced(value[path[0]], path[1:], change)}
    step = int(path[0])
    return [*value[:step], replaced(value[step], path[1:], change), *value[step + 1 :]]


def hide_values(value: Any) -> Any:
    """A mapping's keys stay; all else is hidden."""
    return {key: Hidden(each) for key, each in value.items()} if isinstance(value, dict) else Hidden(value)


def hide_keys(value: Any, *, secret: bool = False) -> Any:
    """A chart's values with `Hidden` under keys of secrets, whatever is there, and in a variable named like one."""
    if isinstance(value, dict):
        variable = SECRET_KEYS.match(str(value.get("name")))
        return {
            key: hide_keys(
                each, secret=secret or bool(SECRET_KEYS.match(str(key))) or bool(variable and key == "value")
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [hide_keys(each, secret=secret) for each in value]
    if isinstance(value, Hidden) or (secret and (value is None or isinstance(value, bool))):
        return value
    if secret:
        return Hidden(value)
    shown = URL_PASSWORD.sub(hide_password, ASSIGNED.sub(hide_assigned, value)) if isinstance(value, str) else value
    return value if shown == value else Hidden(value, shown)


def hide_assigned(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}" if SECRET_KEYS.match(found[2]) else found[0]


def parts(value: str) -> Iterator[str]:
    """Values within the value of a Secret: of JSON, of a file of variables, of a URL, of a connection string."""
    yield from (value[start:end] for start, end in credential_spans.spans(value, assigned=True))
    try:
        loaded = json.loads(value) if value.lstrip()[:1] in {"{", "["} else None
    except (ValueError, RecursionError):
        loaded = None
    yield from texts(loaded)
    for _, key, text in ASSIGNED.findall(value) if "\n" in value.strip() or "=" in value else ():
        if not PUBLIC.fullmatch(key):
            yield text.strip().strip("\"'")


# what a Secret says beside its secrets, and other objects name too
PUBLIC = re.compile(
    r"(?i).*(user(name)?|host(name)?|port|server|database|dbname|db|name|email|region|sslmode|kind|type)s?"
)


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Texts of loaded JSON that are not under a key of something public."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, key)
    elif isinstance(value, str) and not PUBLIC.fullmatch(key):
        yield value
        if key == "auth":  # of a registry: user and password in base64
            yield decoded(value).partition(":")[2]


def decoded(value: str) -> str:
    """Text that stands in base64; "" where it is none."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
