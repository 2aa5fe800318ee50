"""What people are told."""

from pathlib import Path

import pytest

from delivery.deploy.plan import CHANGE, NOTHING, Action, Plan
from delivery.deploy.release import Key
from delivery.deploy.report import Report, summary, total

KEY = Key("", "ConfigMap", "taskpulse", "settings")
PLAN = Plan([Action(CHANGE, KEY, "why | <b>", ["data.a: 1 -> 2"], ["data.b: 3 -> 4"]), Action(NOTHING, KEY)])


def test_secret_values_are_masked_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    report.secret = {"hunter2", "first\nsecond"}
    report.say("the password is hunter2, the certificate second")
    assert capsys.readouterr().out == "the password is ***, the certificate ***\n"
    assert report.lines == ["the password is ***, the certificate ***"]


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


def test_without_github_there_is_no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    summary("Deploy", [], None, [])
