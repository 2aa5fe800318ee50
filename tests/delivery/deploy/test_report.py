"""What people are told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from delivery.cli.deploy import deploy_command, run
from delivery.cli.plan import plan_command
from delivery.deploy.plan import CHANGE, NOTHING, Action, Plan
from delivery.deploy.release import Key
from delivery.deploy.report import Report, summary, total
from delivery.deploy.state import Deploy
from delivery.errors import DeliveryError

KEY = Key("", "ConfigMap", "taskpulse", "settings")
PLAN = Plan([Action(CHANGE, KEY, "why | <b>", ["data.a: 1 -> 2"], ["data.b: 3 -> 4"]), Action(NOTHING, KEY)])


def test_secret_values_are_masked_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    report.secret = {"hunter2", "first\nsecond"}
    report.say("the password is hunter2, the certificate second")
    assert capsys.readouterr().out == "the password is ***, the certificate ***\n"
    assert report.lines == ["the password is ***, the certificate ***"]


def test_secret_values_are_masked_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True)
    report.secret = {"hunter2"}
    action = Action(CHANGE, KEY, "hunter2 is wrong", ["data.a: 1 -> hunter2"], ["data.b: hunter2 -> 4"])
    masked = report.masked(Plan([action]))
    assert masked == Plan([Action(CHANGE, KEY, "*** is wrong", ["data.a: 1 -> ***"], ["data.b: *** -> 4"])])
    report.plan(Plan([action]))
    assert "hunter2" not in str(report.lines) + capsys.readouterr().err


def test_a_line_of_progress_is_one_line() -> None:
    report = Report(as_json=False)
    report.say("==> Failed: first\n::warning::second\rthird")
    assert report.lines == ["==> Failed: first ::warning::second third"]


def test_a_plan_that_cannot_be_made_says_why_in_json_as_well() -> None:
    result = CliRunner().invoke(plan_command, ["dev", "--image=taskpulse-api", "--output=json"])
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert (answer["namespace"], answer["plan"]) == (None, [])
    assert answer["reason"].startswith("--image taskpulse-api has no digest")


def test_a_deploy_that_cannot_be_prepared_ends_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    result = CliRunner().invoke(deploy_command, ["dev", "--image=taskpulse-api", "--output=json"])
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert (answer["result"], answer["release"], answer["plan"]) == ("refused", None, [])
    assert answer["reason"].startswith("--image taskpulse-api has no digest")
    text = (tmp_path / "summary").read_text()
    assert text.startswith("## Deploy to dev: refused\n")
    assert "- reason: `--image taskpulse-api has no digest" in text


def test_an_interrupted_deploy_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def prepare() -> Deploy:
        raise KeyboardInterrupt

    with pytest.raises(DeliveryError, match="What was reached stays; run the same command again"):
        run(prepare, Report(as_json=True), "Deploy to dev")
    assert json.loads(capsys.readouterr().out)["reason"].startswith("Interrupted.")


def test_progress_leaves_standard_output_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    Report(as_json=True).plan(PLAN)
    out, err = capsys.readouterr()
    assert out == ""
    assert "change   ConfigMap/settings: why" in err
    assert "drift  data.b: 3 -> 4" in err


def test_the_plan_is_totalled() -> None:
    assert total(PLAN) == "Plan: change 1; 1 drifted"
    assert total(Plan([])) == "Plan: nothing to change"


def test_the_job_summary_is_a_table_that_content_cannot_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    summary("Deploy", [("commit", "c0ffee")], PLAN, ["==> Plan"])
    text = path.read_text()
    assert text.startswith("before\n## Deploy\n")
    assert "- commit: `c0ffee`\n" in text
    assert "| change | ConfigMap/settings | why \\| &lt;b>; drift: data.b: 3 -> 4; data.a: 1 -> 2 |\n" in text


def test_the_job_summary_of_what_was_never_planned_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    summary("Deploy: refused", [("reason", "Pods need <b> | `c`")], None, [])
    text = (tmp_path / "summary").read_text()
    assert "Nothing was planned, and nothing changed." in text
    assert "- reason: `Pods need <b> | 'c'`\n" in text


def test_a_job_summary_that_cannot_be_written_is_said_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, reason in (("/dev/full", "No space left on device"), ("/nowhere/summary", "No such file or directory")):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", path)
        summary("Deploy", [], PLAN, [])
        assert capsys.readouterr().err == f"The job summary {path} cannot be written: {reason}.\n"


def test_without_github_there_is_no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    summary("Deploy", [], None, [])
