"""The monitoring chart, rendered by the real Helm; a small local chart stands in for the pinned one."""

from pathlib import Path

import pytest

from delivery.review import chart
from delivery.review.model import OverlayReview, Review
from tests.delivery.review.repository import Repository

pytestmark = pytest.mark.slow  # Helm is built for it

FILES = {
    "overlays/dev/kustomization.yaml": "resources: [configmap.yaml]\n",
    "overlays/dev/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n",
    "stack/Chart.yaml": "apiVersion: v2\nname: stack\nversion: 0.1.0\n",
    "stack/templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-operator
  namespace: {{ .Release.Namespace }}
spec:
  template:
    spec:
      containers:
        - name: operator
          image: {{ required "say which image" .Values.image }}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {password: {{ .Values.password }}}
""",
    "stack/crds/clocks.yaml": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clocks}
""",
    "stack/templates/alertmanager.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: alertmanager}
data: {alertmanager.yaml: {{ toYaml .Values.alertmanager.config | b64enc }}}
""",
    "monitoring/chart/pin.yaml": "chart: ./stack\nversion: 0.1.0\n",
    "monitoring/chart/values.yaml": "password: hunter-number-two\n",
    "monitoring/chart/values-dev.yaml": """\
image: example.com/operator:1
alertmanager:
  config:
    route: {receiver: team}
    receivers: [{name: team, slack_configs: [{channel: "#team"}]}]
""",
}
DEV = FILES["monitoring/chart/values-dev.yaml"]


@pytest.fixture(autouse=True)
def helm_is_built() -> None:
    assert chart.has_helm(), "run `make helm` first"


def reviewed(folder: Path, changes: dict[str, str]) -> tuple[Review, dict[str, OverlayReview]]:
    repository = Repository.create(folder / "repository")
    repository.commit(FILES)
    repository.commit(FILES | changes)
    result = repository.review(folder / "out")
    return result, {each.name: each for each in result.overlays}


def test_a_change_of_values_is_shown_in_what_the_chart_renders_to(tmp_path: Path) -> None:
    changes = {
        "monitoring/chart/values-dev.yaml": DEV.replace("operator:1", "operator:2"),
        "monitoring/chart/values.yaml": FILES["monitoring/chart/values.yaml"].replace("two", "three"),
    }
    _, overlays = reviewed(tmp_path, changes)
    operator, secret = sorted(overlays["chart-dev"].changes, key=lambda each: each.kind)
    assert (operator.kind, operator.name, operator.namespace) == ("Deployment", "monitoring-operator", "monitoring")
    assert [(each.before, each.after) for each in overlays["chart-dev"].images] == [
        ("example.com/operator:1", "example.com/operator:2")
    ]
    assert (secret.kind, secret.verb) == ("Secret", "changed")
    assert overlays["chart-dev"].notes == ()
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert b"hunter-number" not in path.read_bytes()


def test_definitions_of_the_chart_are_shown(tmp_path: Path) -> None:
    """A deploy applies them too."""
    name = "stack/crds/clocks.yaml"
    _, overlays = reviewed(tmp_path, {name: FILES[name] + "spec: {scope: Cluster}\n"})
    [definition] = overlays["chart-dev"].changes
    assert definition.kind == "CustomResourceDefinition"


def test_an_alert_sent_elsewhere_is_a_warning_at_what_holds_the_routes(tmp_path: Path) -> None:
    _, overlays = reviewed(tmp_path, {"monitoring/chart/values-dev.yaml": DEV.replace("#team", "#lobby")})
    [change] = overlays["chart-dev"].changes
    assert (change.kind, change.name) == ("Secret", "alertmanager")
    assert change.dangers[0].sentence == (
        "Alerts of severity critical of the cluster itself reach Slack #lobby instead of Slack #team."
    )


def test_values_that_the_chart_refuses_are_a_render_that_fails(tmp_path: Path) -> None:
    _, overlays = reviewed(tmp_path, {"monitoring/chart/values-dev.yaml": "image: ''\n"})
    assert "say which image" in overlays["chart-dev"].error_at_head
    assert overlays["chart-dev"].error_at_base == ""


def test_a_chart_that_cannot_be_had_leaves_its_values(tmp_path: Path) -> None:
    changes = {
        "monitoring/chart/pin.yaml": "chart: ./nowhere\nversion: 0.1.0\n",
        "monitoring/chart/values.yaml": "password: hunter-number-three\n",
    }
    _, overlays = reviewed(tmp_path, changes)
    [note] = overlays["chart-dev"].notes
    assert note.startswith("The monitoring chart ./nowhere 0.1.0 was not rendered, as it could not be had (")
    assert [(each.kind, each.verb) for each in overlays["chart-dev"].changes] == [("HelmValues", "changed")]


def test_a_chart_without_a_version_leaves_its_values(tmp_path: Path) -> None:
    changes = {"monitoring/chart/pin.yaml": "chart: ./stack\n", "monitoring/chart/values.yaml": "password: three\n"}
    _, overlays = reviewed(tmp_path, changes)
    [note] = overlays["chart-dev"].notes
    assert "monitoring/chart/pin.yaml must say `chart` and `version`" in note
