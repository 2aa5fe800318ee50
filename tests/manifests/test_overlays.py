"""The two overlays as they render: both valid, and different only where overlays/README.md says so."""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from app.http.server import DRAIN_S, GRACE_S, KEEP_ALIVE_S
from app.settings import Settings
from delivery.checkout import ROOT
from delivery.kustomizations import overlays
from delivery.manifests import Render, dig, identity
from delivery.policy.secrets import environment, selectors
from delivery.render import render
from delivery.secrets import secret_keys

README = ROOT / "overlays" / "README.md"


@pytest.fixture(scope="module")
def renders() -> dict[str, Render]:
    return {overlay: Render.parse(overlay, render(overlay)) for overlay in overlays()}


def test_there_are_two_overlays() -> None:
    assert overlays() == ["dev", "main"]


def test_the_same_sources_render_to_the_same_text() -> None:
    assert render("main") == render("main")


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_every_object_says_what_it_belongs_to(renders: dict[str, Render], overlay: str) -> None:
    for each in renders[overlay].objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "taskpulse", identity(each)


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_the_image_is_left_to_the_deploy(renders: dict[str, Render], overlay: str) -> None:
    assert [container["image"] for _, _, container in renders[overlay].containers()] == ["taskpulse-api"] * 2


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_the_service_knows_every_setting_and_takes_it(renders: dict[str, Render], overlay: str, tmp_path: Path) -> None:
    maps = [each for each in renders[overlay].of("ConfigMap") if "DB_HOST" in each["data"]]
    given = {name: value for each in maps for name, value in each["data"].items()}
    assert given.keys() <= {field.encode_name for field in fields(Settings)}
    for name in ("DB_SSLROOTCERT", "DB_PASSWORD_FILE"):
        given[name] = str(tmp_path / name)
        (tmp_path / name).touch()
    settings = Settings.from_environment(given)
    assert (settings.db_host, settings.db_name, settings.port) == ("db.taskpulse.internal", "taskpulse", 8000)


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_port_80_of_the_load_balancer_leads_to_port_8000_of_the_pods(renders: dict[str, Render], overlay: str) -> None:
    [service] = renders[overlay].of("Service")
    [port] = service["spec"]["ports"]
    assert (identity(service), service["spec"]["type"], port["port"]) == ("Service/taskpulse-api", "LoadBalancer", 80)
    ports = [each for _, _, container in renders[overlay].containers() for each in container.get("ports", [])]
    assert ports == [{"name": port["targetPort"], "containerPort": 8000}]


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_one_database_user_migrates_and_another_serves(renders: dict[str, Render], overlay: str) -> None:
    """Each has its password in the file that the settings name; who serves has nothing of the owner of the tables."""
    owner, serving = {"DB_USER", "DB_PASSWORD"}, {"DB_SERVICE_USER", "DB_SERVICE_PASSWORD"}
    expected = {
        "migrate": ("DB_USER", "DB_PASSWORD", owner | serving),
        "api": ("DB_SERVICE_USER", "DB_SERVICE_PASSWORD", serving),
    }
    for where, spec, container in renders[overlay].containers():
        user, password, all_keys = expected.pop(container["name"])
        references = {each["name"]: dig(each, "valueFrom", "secretKeyRef") for each in container["env"]}
        assert references["DB_USER"] == {"name": "taskpulse-secret", "key": user}, where
        files = {path: key for name, key, path in secret_mounts(spec, container) if name == "taskpulse-secret"}
        given = environment(renders[overlay], container)
        assert files[given["DB_PASSWORD_FILE"]] == password, where
        named = {each["key"] for each in references.values() if each and each["name"] == "taskpulse-secret"}
        assert {*named, *files.values()} == all_keys, where
        if container["name"] == "migrate":
            assert references["DB_SERVICE_USER"] == {"name": "taskpulse-secret", "key": "DB_SERVICE_USER"}
            assert files[given["DB_SERVICE_PASSWORD_FILE"]] == "DB_SERVICE_PASSWORD"
    assert not expected


def secret_mounts(spec: Any, container: Any) -> Iterator[tuple[str, str, str]]:
    """Secret, key and path of each file that a container has from a Secret."""
    volumes = {each["name"]: each["secret"] for each in spec["volumes"] if "secret" in each}
    for mount in container["volumeMounts"]:
        for item in volumes[mount["name"]]["items"]:
            yield volumes[mount["name"]]["secretName"], item["key"], f"{mount['mountPath']}/{item['path']}"


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_prometheus_token_comes_from_its_secret(renders: dict[str, Render], overlay: str) -> None:
    [container] = [each for _, _, each in renders[overlay].containers() if each["name"] == "api"]
    [token] = [each for each in container["env"] if each["name"] == "METRICS_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"] == {"name": "taskpulse-metrics", "key": "token"}


def test_the_readme_makes_by_hand_the_secrets_that_are_read(renders: dict[str, Render]) -> None:
    made = {
        (secret, key)
        for secret, sources in re.findall(r"create secret generic (\S+) (.*)", README.read_text().replace("\\\n", ""))
        for key in re.findall(r"--from-(?:file|literal)=([^=\s]+)", sources)
    }
    read = set()
    for rendered in renders.values():
        read |= {each for _, template in rendered.pods() for each in secret_keys(template["spec"])}
        for watching in rendered.of("ServiceMonitor", "AlertmanagerConfig"):
            read |= set(selectors(watching["spec"]))
    assert made == read


def test_each_pod_has_time_to_drain(renders: dict[str, Render]) -> None:
    spec = renders["main"].of("Deployment")[0]["spec"]["template"]["spec"]
    sleep = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained = sleep + DRAIN_S + GRACE_S
    assert drained < spec["terminationGracePeriodSeconds"]
    [policy] = renders["main"].of("GCPBackendPolicy")
    draining = policy["spec"]["default"]["connectionDraining"]["drainingTimeoutSec"]
    assert drained < draining < spec["terminationGracePeriodSeconds"]


def test_the_service_keeps_idle_connections_longer_than_the_gateway() -> None:
    """Else a request meets a connection that closes, and is answered 502; the gateway's 600 s are fixed.

    Source: https://cloud.google.com/load-balancing/docs/https#timeouts_and_retries
    """
    assert KEEP_ALIVE_S > 600


def test_the_documentation_names_every_setting() -> None:
    table = (ROOT / "docs" / "configuration.md").read_text().partition("| variable |")[2].partition("\n\n")[0]
    named = re.findall(r"`([A-Z_]+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))
    assert sorted(named) == sorted(field.encode_name for field in fields(Settings))


def test_settings_are_not_sent_to_the_cluster(renders: dict[str, Render]) -> None:
    assert not [each for render in renders.values() for each in render.of("Settings")]


def test_only_what_the_readme_names_differs(renders: dict[str, Render]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", README.read_text(), re.MULTILINE)
    assert renders["dev"].namespace != renders["main"].namespace
    dev = Render.parse("dev", render("dev").replace(renders["dev"].namespace, renders["main"].namespace))
    found = {"namespace", *differences(dev, renders["main"])}
    assert [row for row in rows if not fnmatch.filter(found, row)] == []
    assert [each for each in found if not any(fnmatch.fnmatchcase(each, row) for row in rows)] == []
    assert len(rows) == len(set(rows))


def differences(one: Render, other: Render) -> Iterator[str]:
    """Objects of one render only, and the fields in which objects of both differ."""
    mine = {identity(each): each for each in one.objects}
    theirs = {identity(each): each for each in other.objects}
    yield from mine.keys() ^ theirs.keys()
    for name in mine.keys() & theirs.keys():
        yield from (f"{name} {path}" for path in differing(mine[name], theirs[name]))


def differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differing(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, f"{path}.{index}")
    elif one != other:
        yield path
