"""A freeze refuses deploys until a time, and says so wherever somebody looks."""

import json
from datetime import UTC, datetime, timedelta

import click
import pytest

from delivery.cli.freeze import Moment
from delivery.deploy.freeze import Freeze
from delivery.errors import DeliveryError
from tests.delivery.deploy.project import Project, read_until

NOON = datetime(2026, 12, 24, 12, tzinfo=UTC)
FAR = "--until=2999-01-01T00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-24T12:00Z", NOON),
        ("2026-12-24T13:00+01:00", NOON),
        ("2026-12-24 12:00:00Z", NOON),
        ("2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)),
    ],
)
def test_until_a_time(text: str, moment: datetime) -> None:
    assert Moment().convert(text, None, None) == moment


@pytest.mark.parametrize(("text", "hours"), [("2d", 48), ("1d12h", 36), ("90m", 1.5)])
def test_until_a_span_is_over(text: str, hours: float) -> None:
    before = datetime.now(UTC)
    moment = Moment().convert(text, None, None)
    assert before <= moment - timedelta(hours=hours) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-12-24T12:00", "has no time zone: write 2026-12-24T12:00Z for UTC"),
        ("Christmas", "Christmas is no time: write 2026-12-24T18:00"),
        ("2026-02-30", "2026-02-30 is no time"),
        ("", " is no time"),
    ],
)
def test_until_nothing(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said.replace("+", r"\+")):
        Moment().convert(text, None, None)


def test_a_freeze_is_read_as_it_was_written() -> None:
    frozen = Freeze(NOON, "Nobody is here", "ann on laptop")
    assert Freeze.parse(frozen.as_object("shop")) == frozen


@pytest.mark.parametrize("data", [None, {"until": "soon", "reason": "", "by": ""}, {"until": "2026-12-24T12:00:00Z"}])
def test_what_is_no_freeze_says_how_to_remove_it(data: dict[str, str] | None) -> None:
    config = {"metadata": {"namespace": "shop"}, "data": data}
    with pytest.raises(DeliveryError, match="ConfigMap taskpulse-freeze in namespace shop holds no freeze"):
        Freeze.parse(config)


@pytest.mark.slow
def test_it_works(project: Project) -> None:
    project.deployed()
    result = project.delivery("freeze", str(project.overlay), FAR, "--reason=Nobody is here.")
    assert result.returncode == 0, result.stderr
    assert " is frozen until 2999-01-01T00:00:00Z by " in result.stdout

    project.commit(**project.with_settings("extra", a="1"))
    refused = project.deploy()
    assert refused.returncode == 1
    assert f"Refused. Namespace {project.namespace} is frozen until 2999-01-01T00:00:00Z by " in refused.stderr
    assert ": Nobody is here. Deploy after that, or end the freeze first: `delivery unfreeze" in refused.stderr
    assert "extra" not in project.names("configmaps")
    assert [each["release"] for each in project.history()] == [1]

    planned = project.delivery("plan", *project.arguments())
    assert planned.returncode == 0
    assert "Nobody is here. A deploy would be refused until then." in planned.stdout
    answer = json.loads(project.delivery("plan", *project.arguments(), "--output=json").stdout)
    assert answer["frozen_until"] == "2999-01-01T00:00:00Z"
    shown = project.delivery("history", str(project.overlay)).stdout.splitlines()
    assert "is frozen until" in shown[0]
    assert len(shown) == 2

    lifted = project.delivery("unfreeze", str(project.overlay))
    assert "is not frozen any more." in lifted.stdout
    project.deployed()
    assert "extra" in project.names("configmaps")
    assert "was not frozen." in project.delivery("unfreeze", str(project.overlay)).stdout


@pytest.mark.slow
def test_a_rollback_is_possible_in_a_freeze(project: Project) -> None:
    project.deployed()
    first = project.head()
    project.commit()
    project.deployed()
    project.delivery("freeze", str(project.overlay), FAR, "--reason=Nobody is here")
    result = project.delivery("rollback", str(project.overlay))
    assert result.returncode == 0, result.stderr
    assert "Nobody is here; a rollback is possible all the same" in result.stdout
    assert {revision for _, revision in project.running()} == {first}


@pytest.mark.slow
def test_a_freeze_that_is_over_refuses_nothing(project: Project) -> None:
    project.deployed()
    over = Freeze(NOON.replace(year=2025), "Nobody was here", "ann").as_object(project.namespace)
    project.cluster.kubectl("apply", "--filename=-", stdin=json.dumps(over))
    project.commit()
    project.deployed()
    shown = project.delivery("history", str(project.overlay)).stdout
    assert "was frozen until 2025-12-24T12:00:00Z by ann: Nobody was here." in shown


@pytest.mark.slow
def test_a_freeze_that_comes_while_a_deploy_waits_for_the_lock_counts(project: Project) -> None:
    project.deployed()
    project.commit(**project.with_settings("slow", a="1"))
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "taskpulse-deploy", "namespace": project.namespace},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600},
    }
    project.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(lease))
    process = project.start("deploy", *project.arguments())
    read_until(process, "    waiting for somebody, which holds the lock")
    project.delivery("freeze", str(project.overlay), FAR, "--reason=Nobody is here")
    lease["spec"] = {"holderIdentity": ""}
    project.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(lease))
    _, err = process.communicate()
    assert process.returncode == 1
    assert "is frozen until 2999-01-01T00:00:00Z" in err


@pytest.mark.slow
def test_what_was_never_deployed_cannot_be_frozen(project: Project) -> None:
    result = project.delivery("freeze", str(project.overlay), FAR, "--reason=Nobody is here")
    assert result.returncode == 1
    assert (
        f"There is no namespace {project.namespace}: nothing was ever deployed that could be frozen." in result.stderr
    )
