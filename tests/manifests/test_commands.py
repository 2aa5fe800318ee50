"""The commands a person runs, on the checkout as it is and on a spoiled one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.render import render
from delivery.validate import CHECKS
from tests.manifests.fixtures import spoil


def delivery(*arguments: str | Path, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "delivery", *arguments], checkout)


def yamllint(path: Path) -> subprocess.CompletedProcess[str]:
    return run([Path(sys.executable).with_name("yamllint"), "--strict", path], ROOT)


def run(command: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_render_writes_one_file_per_overlay(tmp_path: Path) -> None:
    result = delivery("render", "--out", tmp_path / "new")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["dev.yaml", "main.yaml"]
    assert "kind: Deployment" in (tmp_path / "new" / "dev.yaml").read_text()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = delivery("render", "--out", tmp_path / "file" / "rendered")
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: Cannot write to {tmp_path}/file/rendered: ")
    assert result.stderr.endswith(" Choose another folder with --out.\n")


def test_rendering_leaves_nothing_else_behind(spoiled: Path) -> None:
    before = sorted(spoiled.rglob("*"))
    assert delivery("render", "--out", "rendered", checkout=spoiled).returncode == 0
    new = {str(path.relative_to(spoiled)) for path in spoiled.rglob("*") if "__pycache__" not in path.parts}
    new -= {str(path.relative_to(spoiled)) for path in before}
    assert new == {"rendered", "rendered/dev.yaml", "rendered/main.yaml", "rendered/spoiled.yaml"}


@pytest.mark.parametrize(
    ("kustomization", "named"),
    [
        ("resources: ['https://example.com/x.yaml']", "https://example.com/x.yaml"),
        (
            "resources: ['github.com/organisation/repository//base?ref=v1']",
            "github.com/organisation/repository//base?ref=v1",
        ),
        ("resources: ['git@github.com:organisation/repository']", "git@github.com:organisation/repository"),
        ("resources: ['file:///srv/repository']", "file:///srv/repository"),
        ("configMapGenerator: [{name: x, files: ['a=https://example.com/x']}]", "https://example.com/x"),
    ],
)
def test_nothing_is_rendered_from_another_machine(kustomization: str, named: str, tmp_path: Path) -> None:
    folder = tmp_path / "overlays" / "dev"
    folder.mkdir(parents=True)
    (folder / "kustomization.yaml").write_text(kustomization)
    with pytest.raises(DeliveryError) as caught:
        render("dev", tmp_path)
    said = f"{named} is not a file of this checkout: copy what it serves to one, and name that."
    assert caught.value.message == f"Overlay dev does not render: {said}"


def test_validate_says_what_it_checked() -> None:
    result = delivery("validate")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"dev, main: {len(CHECKS)} checks passed.\n"


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """A checkout whose overlay dev mounts a token."""
    spoil("service-account-token", tmp_path)
    shutil.copytree(ROOT / "delivery", tmp_path / "delivery")
    (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    return tmp_path


def test_validate_fails_with_the_check_and_a_sentence(spoiled: Path) -> None:
    result = delivery("validate", checkout=spoiled)
    assert result.returncode == 1
    assert "spoiled: service-account-token: Deployment/taskpulse-api mounts a token: it" in result.stderr


def test_render_writes_nothing_when_an_overlay_does_not_render(spoiled: Path) -> None:
    (spoiled / "base" / "service.yaml").unlink()
    result = delivery("render", "--out", "out", checkout=spoiled)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Overlay dev does not render: ")
    assert not (spoiled / "out").exists()


def test_a_missing_setting_is_said_with_its_file(spoiled: Path) -> None:
    settings = spoiled / "overlays" / "dev" / "settings.yaml"
    settings.write_text(settings.read_text().replace("databaseRange:", "range:"))
    result = delivery("render", checkout=spoiled)
    assert result.returncode == 1
    assert result.stderr == "Error: Overlay dev does not render: give databaseRange in overlays/dev/settings.yaml.\n"


def test_a_setting_that_does_not_fit_is_said_without_paths_of_this_machine(spoiled: Path) -> None:
    settings = spoiled / "overlays" / "main" / "settings.yaml"
    settings.write_text(settings.read_text().replace("host: ", "host: https://"))
    result = delivery("validate", checkout=spoiled)
    assert result.returncode == 1
    assert "main: schema-1.37: HTTPRoute/https: at '/spec/hostnames/0': 'https://taskpulse.example" in result.stderr
    assert "file://" not in result.stderr


def test_a_missing_tool_is_said_with_the_command_that_builds_it(spoiled: Path) -> None:
    (spoiled / ".tools").unlink()
    result = delivery("render", checkout=spoiled)
    assert (result.returncode, result.stderr) == (
        1,
        "Error: kustomize is not built yet: run `make tools` first.\n",
    )


def test_a_tool_that_does_not_start_is_said_with_the_command_that_builds_it(spoiled: Path) -> None:
    (spoiled / ".tools").unlink()
    (spoiled / ".tools" / "bin").mkdir(parents=True)
    (spoiled / ".tools" / "bin" / "kustomize").touch()
    result = delivery("render", checkout=spoiled)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: kustomize does not start: ")
    assert result.stderr.endswith("; run `make clean tools`.\n")


def test_yamllint_alone_refuses_untidy_yaml(spoiled: Path) -> None:
    service = spoiled / "base" / "service.yaml"
    service.write_text(service.read_text().replace("spec:\n", "spec: \n"))
    shutil.rmtree(spoiled / "overlays" / "spoiled")
    result = yamllint(service)
    assert (result.returncode, "trailing spaces" in result.stdout) == (1, True), result.stdout
    assert delivery("validate", checkout=spoiled).returncode == 0


def test_actionlint_alone_refuses_a_wrong_workflow(tmp_path: Path) -> None:
    workflow = tmp_path / "review.yml"
    text = (ROOT / ".github" / "workflows" / "review.yml").read_text()
    workflow.write_text(text.replace("needs: [test,", "needs: [tests,"))
    result = run([ROOT / ".tools" / "bin" / "actionlint", workflow], tmp_path)
    assert (result.returncode, 'needs job "tests"' in result.stdout) == (1, True), result.stdout
    assert yamllint(workflow).returncode == 0


def test_render_tells_no_value_of_a_secret(spoiled: Path) -> None:
    """kustomize repeats its input when it fails."""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: *Tr0ub4dor-and-3}\n"
    (spoiled / "base" / "service.yaml").write_text(secret)
    for command in ("render", "validate"):
        result = delivery(command, checkout=spoiled)
        assert result.returncode == 1
        assert "unknown anchor '***' referenced" in result.stderr
        assert "Tr0ub4dor" not in result.stdout + result.stderr
