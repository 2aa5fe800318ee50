"""Where a Secret's value may come out other than from the Secret: searched for in every byte of every file."""

import base64
import json
import time
from pathlib import Path

import pytest
import yaml

from delivery import credentials
from delivery.manifests import Object
from delivery.review.compare import Side, compare
from delivery.review.hiding import Hidden, hide, hide_keys, without_secrets
from delivery.review.masking import Masker
from delivery.review.model import Review
from delivery.review.pairing import Source, pair
from delivery.review.trees import Rendered, Tree, rendered
from delivery.tools import program
from tests.delivery.review.repository import Repository, files

SECRET = "hunter-number-two"
CONFIG = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}'
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
DEV = "resources: [objects.yaml]\n"


def reviewed(folder: Path, changes: dict[str, str]) -> tuple[Review, bytes]:
    """The review of an overlay that gets `changes`, and all that it writes."""
    before = {"overlays/dev/kustomization.yaml": DEV, "overlays/dev/objects.yaml": CONFIG_MAP}
    repository = Repository.create(folder / "repository")
    repository.commit(before)
    repository.commit(before | changes)
    result = repository.review(folder / "out")
    return result, b"\n".join(path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file())


def secret(value: str) -> str:
    """A Secret with a value, in JSON as YAML takes it too."""
    each = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"key": value}}
    return f"---\n{json.dumps(each)}\n"


PATCH = f"{DEV}patches:\n- patch: |\n    kind: Secret\n    stringData: {{password: '{SECRET}`]'}}\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overlays/dev/kustomization.yaml": PATCH}, "unable to parse SM or JSON patch"),
        (
            {"overlays/dev/kustomization.yaml": f"{DEV}secretGenerator:\n- name: a\n  literals: ['{SECRET}']\n"},
            "invalid literal source ***, expected key=value",
        ),
        (
            {"overlays/dev/objects.yaml": f"{CONFIG_MAP}data: {{1: '{SECRET}}}'}}\n"},
            "map[string]interface {}",
        ),
    ],
)
def test_what_kustomize_repeats_when_it_fails(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    result, written = reviewed(tmp_path, changes)
    assert said in result.overlays[0].error_at_head
    assert SECRET.encode() not in written


def test_a_program_that_is_missing_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "built", lambda _: None)
    folder = files(tmp_path, {"overlays/dev/kustomization.yaml": DEV})
    error = rendered("dev", Tree("", folder), with_charts=False).error
    assert error == "kustomize is not built yet: run `make tools` first."


KEY = "-- a key --\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nQk9EWUxJTkVUV09PRlRIRUtFWTEyMzQ1\n-- end --\n"
QUOTED = 'with "quotes" and a \\ beyond'


@pytest.mark.parametrize(
    ("value", "elsewhere", "never"),
    [
        (KEY, "\n".join(f"    {line}" for line in KEY.split("\n")), "Qk9EWUxJTkVUV09PRlRIRUtFWTEyMzQ1"),
        (QUOTED, json.dumps({"password": QUOTED}), "beyond"),
        (
            '"\u00e9t\u00e9" of walnuts',
            json.dumps({"a": '"\u00e9t\u00e9" of walnuts'}, ensure_ascii=False),
            "of walnuts",
        ),
        (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("="), "aHVudGVy"),
        (SECRET, base64.b64encode(f"a:{SECRET}:b".encode()).decode(), "50ZXItbnVtYmVyLX"),
        (SECRET, base64.b64encode(f"ab:{SECRET}:b".encode()).decode(), "aHVudGVyLW51bWJl"),
        (SECRET, base64.b64encode(f"abc:{SECRET}:b".encode()).decode(), "h1bnRlci1udW1iZX"),
        (f"key={SECRET}", f"it is {SECRET}", SECRET),
        ("a/pass word@1", "postgresql://us:a%2Fpass%20word%401@db/tasks", "%2Fpass%20word"),
    ],
)
def test_a_copy_that_is_written_otherwise(value: str, elsewhere: str, never: str, tmp_path: Path) -> None:
    config_map = json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": elsewhere}}
    )
    result, written = reviewed(tmp_path, {"overlays/dev/objects.yaml": f"{config_map}\n{secret(value)}"})
    assert {each.kind for each in result.overlays[0].changes} == {"ConfigMap", "Secret"}
    assert never.encode() not in written


def test_secrets_are_found_among_thousands_that_begin_alike() -> None:
    values = [f"abcdefgh-{number}" for number in range(5000)] + ["abcdefgh-77-and-more"]
    masker = Masker([Source(json.loads(secret(value).removeprefix("---\n"))) for value in values])
    assert masker.text("abcdefgh abcdefgh-77-and-more, abcdefgh-4999. abcdefgh-") == "abcdefgh ***, ***. abcdefgh-"
    start = time.process_time()
    masker.text("abcdefgi-77 and other text " * 40_000)
    assert time.process_time() - start < 5


def test_what_is_short_or_a_name_is_shown() -> None:
    """Else a port or a user that is called as the service is would take half of the text away."""
    values = [Source(json.loads(secret(value).removeprefix("---\n"))) for value in ("5432", "the-settings")]
    masker = Masker([*values, Source({"kind": "ConfigMap", "metadata": {"name": "the-settings"}})])
    assert masker.text("port 5432 of the-settings") == "port 5432 of the-settings"


def test_what_holds_no_secret_is_written_as_it_was_rendered() -> None:
    text = f"# Source: stack/templates/settings.yaml\n{CONFIG}\n"
    assert compare("chart-dev", Side(Rendered(), {}), Side(Rendered(text), {})).after == text


def test_what_helm_leaves_as_it_is(tmp_path: Path) -> None:
    """A comment, and a List whose objects are shown one by one."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [json.loads(CONFIG), json.loads(secret(SECRET)[4:])]}
    for text in (f"# {SECRET}\n{CONFIG}\n{secret(SECRET)}", yaml.safe_dump(listed)):
        compared = compare("chart-dev", Side(Rendered(text), {}), Side(Rendered(text), {}))
        assert "name: settings" in compared.after.replace('"', "")
        assert SECRET not in compared.before + compared.after


def test_an_alert_that_is_named_like_it() -> None:
    rule = {"kind": "PrometheusRule", "metadata": {"name": "a"}, "spec": {"groups": [{"rules": [{"alert": SECRET}]}]}}
    before, after = (Side(Rendered(text), {}) for text in (json.dumps(rule), secret(SECRET)))
    told = " ".join(danger.sentence for _, danger in compare("dev", before, after).review.dangers)
    assert "Nobody is told any more of: ***." in told


def test_a_copy_in_another_overlay(tmp_path: Path) -> None:
    changes = {
        "overlays/dev/objects.yaml": f"{CONFIG_MAP}data: {{a: {SECRET}}}\n",
        "overlays/main/kustomization.yaml": DEV,
        "overlays/main/objects.yaml": secret(SECRET),
    }
    result, written = reviewed(tmp_path, changes)
    assert [len(each.changes) for each in result.overlays] == [1, 1]
    assert SECRET.encode() not in written


DOCKER = {"auths": {"registry.example.com": {"username": "robot", "password": SECRET}}}
PARTS = [
    json.dumps(DOCKER),
    f"postgresql://taskpulse:{SECRET}@database.example.com/tasks",
    f"host=database.example.com user=taskpulse password={SECRET} sslmode=verify-ca",
    f"DB_HOST=database.example.com\nAPI_TOKEN={SECRET}\n",
    f"user: taskpulse\nnested:\n  apiKey: '{SECRET}'\n",
    json.dumps({"deep": [{"unknown": SECRET}]}),
]


@pytest.mark.parametrize("value", PARTS)
@pytest.mark.parametrize("field", ["stringData", "data"])
def test_a_part_of_a_value(value: str, field: str, tmp_path: Path) -> None:
    """What is public in it is shown elsewhere."""
    stored = base64.b64encode(value.encode()).decode() if field == "data" else value
    holder = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, field: {"key": stored}}
    copied = f"---\n{json.dumps(holder)}\n"
    config = f"{CONFIG_MAP}data: {{a: 'to {SECRET} at database.example.com, registry.example.com for taskpulse'}}\n"
    _, written = reviewed(tmp_path, {"overlays/dev/objects.yaml": config + copied})
    assert SECRET.encode() not in written
    assert base64.b64encode(SECRET.encode())[:-2] not in written
    assert b"to *** at database.example.com, registry.example.com for taskpulse" in written


SHORT = "7pm!x"
WITHIN = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "within"}, "stringData": {"key": SHORT}}


@pytest.mark.parametrize(
    "holder",
    [
        {"apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"name": "a"}, "objects": [WITHIN]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": yaml.safe_dump(WITHIN)}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": json.dumps(WITHIN)}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {"a": f"a: b\n---\nkind: Secret\nstringData:\n  key: |\n    {SHORT}\n"},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {"a": f"{{{{ if a }}}}\nkind: Secret\nstringData: {{key: {SHORT}}}\n"},
        },
        {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": {"name": "a"},
            "spec": {"values": {"grafana": {"adminPassword": SHORT}, "env": [{"name": "API_KEY", "value": SHORT}]}},
        },
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "a"},
            "spec": {"source": {"helm": {"values": f"grafana:\n  adminPassword: {SHORT}\n"}}},
        },
    ],
    ids=lambda each: each["kind"],
)
def test_a_secret_within_another_object(holder: Object, tmp_path: Path) -> None:
    result, written = reviewed(tmp_path, {"overlays/dev/objects.yaml": f"{CONFIG_MAP}---\n{json.dumps(holder)}\n"})
    assert [each.name for each in result.overlays[0].changes] == ["a"]
    assert SHORT.encode() not in written
    assert b"***" in written


CLEAR = [
    ("Deployment", {"env": [{"name": "DB_PASSWORD", "value": SHORT}]}, "env[DB_PASSWORD].value"),
    ("Deployment", {"env": [{"name": "STRIPE_API_KEY", "value": SHORT}]}, "env[STRIPE_API_KEY].value"),
    ("Deployment", {"env": [{"name": "DSN", "value": f"postgres://a:{SHORT}@b/c"}]}, "env[DSN].value"),
    ("Deployment", {"args": ["serve", f"--password={SHORT}"]}, "args[1]"),
    ("Deployment", {"args": ["--db-password", SHORT]}, "args[1]"),
    ("Deployment", {"command": ["sh", "-c", f"PGPASSWORD={SHORT} psql"]}, "command[2]"),
    ("annotations", {"example.com/token": SHORT}, "metadata.annotations.example.com/token"),
    ("data", {"password": SHORT}, "data.password"),
    ("data", {"app.properties": f"db.user=a\ndb.password={SHORT}\n"}, "data.app.properties"),
    ("data", {"app.json": json.dumps({"clientSecret": SHORT})}, "data.app.json"),
    ("binaryData", {"a": base64.b64encode(f"password: {SHORT}".encode()).decode()}, "binaryData.a"),
]


def clear(kind: str, fields: Object) -> Object:
    if kind == "Deployment":
        spec = {"containers": [{"name": "api", **fields}]}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": {"template": {"spec": spec}}}
    each: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    return {**each, "metadata": {"name": "a", kind: fields}} if kind == "annotations" else {**each, kind: fields}


@pytest.mark.parametrize(("kind", "fields", "place"), CLEAR, ids=[place for _, _, place in CLEAR])
def test_a_credential_in_the_clear(kind: str, fields: Object, place: str, tmp_path: Path) -> None:
    """It is warned of, and not shown."""
    each = clear(kind, fields)
    result, written = reviewed(tmp_path, {"overlays/dev/objects.yaml": f"{CONFIG_MAP}---\n{json.dumps(each)}\n"})
    [danger] = [danger for _, danger in result.overlays[0].dangers]
    assert danger.kind == "credential"
    assert f"{place} holds a credential in the clear" in danger.sentence
    assert SHORT.encode() not in written
    assert base64.b64encode(SHORT.encode())[:-2] not in written


NOT_CLEAR = [
    {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
    {"env": [{"name": "DB_PASSWORD_FILE", "value": "/etc/password/file"}, {"name": "MAX_TOKENS", "value": "4096"}]},
    {"env": [{"name": "DB_PASSWORD", "value": "$(OTHER)"}, {"name": "TOKEN_URL", "value": "https://a.example.com/b"}]},
    {
        "args": [
            "--password-file=/etc/a/b",
            "--token",
            "--verbose",
            "--api-key=$(API_KEY)",
            "https://a.example.com:80/@b",
        ]
    },
]


@pytest.mark.parametrize("fields", NOT_CLEAR, ids=str)
def test_what_is_near_to_a_credential(fields: Object) -> None:
    assert credentials.leaves(clear("Deployment", fields)) == []


VALUES = """\
password: 90210{0}
tokens: [{0}]
grafana:
  clientSecret: {0}
  credentials: {{user: {0}}}
  smtp_auth_secret: {0}
  opsgenie_api_key: {0}
  aws_secret_access_key: {0}
  existingSecret: a-name
  remote: https://user:{0}@example.com/write
  env:
  - name: DB_PASSWORD
    value: {0}
  config: |
    client_secret = {0}
    webhook_url: {0}
"""


def test_values_of_the_chart(tmp_path: Path) -> None:
    """Its values files stand for a chart that cannot be rendered."""
    values = {"monitoring/chart/values-dev.yaml": "a: b\n", "monitoring/chart/values.yaml": VALUES.format(73570013)}
    result, written = reviewed(tmp_path, values)
    assert b"73570013" not in written
    [change] = [each for each in result.overlays[0].changes if each.name.endswith("/values.yaml")]
    kept = ("client_secret = ***", "webhook_url: ***", "name: DB_PASSWORD", ": a-name", "https://user:***@example.com/")
    assert [word for word in kept if word not in change.after] == []


def test_lines_that_do_not_change_and_unfold(tmp_path: Path) -> None:
    """The page has them, and masks there what stands in a Secret, a credential, and what a copy spells otherwise."""
    url = f"postgresql://user:{SECRET}@db/tasks"
    lines = [f"first {url}", base64.b64encode(SECRET.encode()).decode(), *(f"line {n}" for n in range(40)), "level: {}"]
    texts = ["\n".join(lines).format(level) for level in ("info", "debug")]
    before, after = (
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": text}})
        + f"\n{secret(SECRET)}"
        for text in texts
    )
    repository = Repository.create(tmp_path / "repository")
    for objects in (before, after):
        repository.commit({"overlays/dev/kustomization.yaml": DEV, "overlays/dev/objects.yaml": objects})
    repository.review(tmp_path / "out")
    text = (tmp_path / "out" / "review.html").read_text("utf-8")
    fold = text[text.index('<details class="fold">') :]
    fold = fold[: fold.index("</details>")]
    assert "first postgresql://user:***@db/tasks</div>" in fold
    assert "<div>    ***=</div>" in fold  # all but the padding
    for path in (tmp_path / "out").rglob("*.*"):
        for never in (SECRET, lines[1][:10]):
            assert never.encode() not in path.read_bytes()


def test_that_only_a_secret_among_values_changes_is_told() -> None:
    before, after = ({"kind": "HelmValues", "values": {"file": f"password: {one}\n"}} for one in ("one", "two"))
    assert hide(before, []) != hide(after, [])
    number, truth = ({"kind": "HelmValues", "values": {"password": one}} for one in (1, True))
    assert hide(number, []) != hide(truth, [])


def test_of_a_text_with_a_secret_only_its_values_are_masked() -> None:
    text = "---\n---\nkind: Secret\nstringData: {a: x, b: [y]}\nimmutable: true\n---\nkind: Pod\ndata: {c: z}\n"
    shown = "---\n---\nkind: Secret\nstringData: {a: ***, b: ***}\nimmutable: true\n---\nkind: Pod\ndata: {c: z}\n"
    assert without_secrets(text) == shown


def test_what_is_hidden_already_stays_so_among_the_values_of_a_chart() -> None:
    hidden = Hidden("a", "b***")
    assert hide_keys({"password": hidden, "plain": hidden, "secrets": [None, True]}) == {
        "password": hidden,
        "plain": hidden,
        "secrets": [None, True],
    }


def test_a_copy_in_an_object_that_does_not_change_is_masked() -> None:
    value = "correct horse battery"
    held = Source({"kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": value}})
    copy = Source({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": f"it is {value} here"}})
    [unchanged] = pair([copy], [copy])
    for side in Masker([held, copy]).pair(unchanged):
        assert side == {**copy.value, "data": {"a": "it is *** here"}}
