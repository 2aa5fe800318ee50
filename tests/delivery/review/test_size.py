"""What is too large for a comment, and how long it takes. Run with -s to see the times."""

import resource
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import yaml

from delivery.review import outcome
from delivery.review.comment import COMMENT_LIMIT, SUMMARY_LIMIT
from delivery.review.compare import Compared, Side, compare
from delivery.review.diff import unified
from delivery.review.model import Review
from delivery.review.trees import Rendered
from tests.delivery.review.repository import Repository

COMMIT = "a" * 40


def config_map(number: int, value: str) -> str:
    """A ConfigMap as YAML."""
    return twenty_lines(value).replace("NUMBER", f"{number:04}")


@cache
def twenty_lines(value: str) -> str:
    """Written once for all objects that hold it, as PyYAML takes its time."""
    return with_data("NUMBER", {f"key-{line}": f"{value} {line}" for line in range(20)})


def with_data(number: str, data: dict[str, str]) -> str:
    metadata = {"name": f"object-{number}", "namespace": "dev", "labels": {"part": "of a test"}}
    each = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return yaml.dump(each, Dumper=yaml.CSafeDumper)


def reviewed(before: list[str], after: list[str], out: Path) -> tuple[Compared, dict[str, str]]:
    old, new = (Side(Rendered("---\n".join(each)), {}) for each in (before, after))
    compared = compare("dev", old, new)
    outcome.write(Review(COMMIT, COMMIT, COMMIT, (compared.review,)), [compared], out)
    return compared, {path.name: path.read_text("utf-8") for path in out.glob("*.*")}


def processor_s() -> float:
    """The seconds of the processor that this process and its children took, which a busy machine does not change."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def test_a_thousand_objects(tmp_path: Path) -> None:
    """The comment is cut by whole objects and says how many it leaves out; the artifact holds all."""
    before, after = ([config_map(number, value) for number in range(1000)] for value in ("old", "new"))
    _, files = reviewed(before, after, tmp_path)
    comment = files["comment.md"]
    assert COMMENT_LIMIT - 4000 < len(comment.encode()) <= COMMENT_LIMIT
    shown = comment.count("<details")
    assert f"**{1000 - shown} objects are not shown here**" in comment
    assert comment.count("</details>") == shown
    assert comment.count("\n```\n") == shown
    assert len(files["summary.md"].encode()) <= SUMMARY_LIMIT
    assert all(f"object-{number:04}" in files["review.html"] for number in range(1000))
    assert (tmp_path / "head" / "dev.yaml").read_text().count("new 19") == 1000


@pytest.mark.parametrize("lines", [1, 40_000])
def test_an_object_of_two_megabytes(lines: int, tmp_path: Path) -> None:
    """Its beginning is shown, and all of the small object beside it."""
    text = {value: "\n".join(f"{value} {n} " + "x" * (2_000_000 // lines - 10) for n in range(lines)) for value in "ab"}
    small = [config_map(0, value) for value in ("old", "new")]
    large = [with_data("0001", {"large": text[value]}) for value in "ab"]
    compared, files = reviewed([large[0], small[0]], [large[1], small[1]], tmp_path)
    assert len(compared.review.changes) == 2
    for name in ("comment.md", "summary.md"):
        assert f"This is the beginning of {len(compared.review.changes[1].diff)} lines" in files[name]
        assert f"+    {text['b'][:40]}" in files[name] or f"-    {text['a'][:40]}" in files[name] or lines == 1
        assert "not shown here" not in files[name]
        assert "<code>ConfigMap/object-0000</code> in <code>dev</code>: <b>changed</b>" in files[name]
    assert len(files["comment.md"].encode()) <= COMMENT_LIMIT
    assert text["b"][:40] in (tmp_path / "head" / "dev.yaml").read_text()


def test_large_objects_keep_no_small_ones_out(tmp_path: Path) -> None:
    """Not even where their names come first."""
    large = {str(key): "x" * 1000 for key in range(45)}
    after = [with_data(f"{number:04}", large if number < 2 else {"a": "b"}) for number in range(30)]
    _, files = reviewed([], after, tmp_path)
    assert files["comment.md"].count("This is the beginning of ") == 2
    assert files["comment.md"].count("<details") == 30


def test_a_thousand_warnings(tmp_path: Path) -> None:
    spec = "spec: {{externalName: {0}.com, type: ExternalName}}\n"
    service = "apiVersion: v1\nkind: Service\nmetadata: {{name: s{0}}}\n" + spec
    _, files = reviewed([], [service.format(number) for number in range(1000)], tmp_path)
    assert "and 950 more objects with warnings, in the artifact" in files["comment.md"]
    assert len(files["comment.md"].encode()) <= COMMENT_LIMIT


def test_a_warning_of_a_thousand_objects_is_told_once(tmp_path: Path) -> None:
    deleted = [config_map(number, "x").replace("kind: ConfigMap", "kind: Odd") for number in range(1000)]
    _, files = reviewed(deleted, [], tmp_path)
    [told] = [line for line in files["comment.md"].splitlines() if "**Deletion**" in line]
    assert " and 995 more in <code>dev</code>: **Deletion**: It is deleted" in told
    assert len(files["comment.md"].encode()) <= COMMENT_LIMIT


def test_few_lines_that_become_many_alike_cost_little() -> None:
    """Every line of one side is found thousands of times in the other."""
    start = time.process_time()
    lines = unified("a\nb\nb\n" * 600, "b\na\na\n" * 6000)
    assert len(lines) > 18_000
    assert time.process_time() - start < 5


def test_five_thousand_objects_are_compared_in_seconds(tmp_path: Path) -> None:
    """Without kustomize, whose time grows with the square of their number."""
    before, after = ([config_map(n, value if n % 10 == 0 else "same") for n in range(5000)] for value in ("old", "new"))
    start = time.process_time()
    compared, _ = reviewed(before, after, tmp_path)
    assert len(compared.review.changes) == 500
    assert time.process_time() - start < 60


@pytest.mark.parametrize(("count", "most_s"), [(50, 10), (500, 30), pytest.param(1500, 120, marks=pytest.mark.slow)])
def test_how_long_it_takes(count: int, most_s: float, tmp_path: Path) -> None:
    """From two commits to files, with one object in ten changed."""
    repository = Repository.create(tmp_path / "repository")
    for value in ("old", "new"):
        objects = [config_map(n, value if n % 10 == 0 else "same") for n in range(count)]
        kustomization = "resources: [objects.yaml]\n"
        repository.commit({"objects.yaml": "---\n".join(objects), "kustomization.yaml": kustomization})
    start = processor_s()
    result = repository.review(tmp_path / "out")
    took = processor_s() - start
    print(f"{count} objects: {took:.2f} s of the processor")
    assert len(result.overlays[0].changes) == count // 10
    assert took < most_s


@pytest.mark.slow
def test_how_long_our_own_overlays_take(tmp_path: Path, root: Path) -> None:
    """Both at two commits, with the start of Python."""
    command = [sys.executable, "-m", "delivery", "review", "--base", "HEAD", "--head", "HEAD", "--out", str(tmp_path)]
    start = processor_s()
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    took = processor_s() - start
    print(f"our overlays: {took:.2f} s of the processor")
    assert "Nothing changes" in (tmp_path / "comment.md").read_text()
    assert took < 4
