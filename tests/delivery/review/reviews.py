"""Reviews to make pages of: texts in, the data of a review out."""

from delivery.review.diff import unified
from delivery.review.model import Danger, ImageChange, ObjectChange, OverlayReview, Review, Verb

BASE = "1" * 40
HEAD = "2" * 40


def change(
    verb: Verb, kind: str, name: str, before: str, after: str, *dangers: Danger, overlay: str = "dev"
) -> ObjectChange:
    """A change of an object in the namespace of `overlay`."""
    return ObjectChange(
        overlay=overlay,
        verb=verb,
        kind=kind,
        api_version="v1",
        namespace=f"taskpulse-{overlay}",
        name=name,
        renamed_from="",
        before=before,
        after=after,
        diff=unified(before, after),
        dangers=dangers,
    )


def review(*overlays: OverlayReview) -> Review:
    return Review(base=BASE, head=HEAD, merge_base=BASE, overlays=overlays)


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: taskpulse-api
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: taskpulse-api
  template:
    spec:
      containers:
      - env:
        - name: LOG_LEVEL
          value: INFO
        image: taskpulse-api
        name: taskpulse-api
        readinessProbe:
          httpGet:
            path: /health/ready
            port: http
          periodSeconds: 5
        resources:
          limits:
            memory: 256Mi
          requests:
            cpu: 100m
            memory: 128Mi
      - image: ghcr.io/example/sidecar:1.4.2
        name: sidecar
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  annotations:
    networking.gke.io/load-balancer-type: Internal
  name: taskpulse-api
spec:
  ports:
  - name: http
    port: 80
    targetPort: http
  type: ClusterIP
"""
SECRET = """\
apiVersion: v1
data:
  password: '*** ({})'
kind: Secret
metadata:
  name: taskpulse-secret
"""
ALERT = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: taskpulse
spec:
  groups:
  - name: taskpulse
    rules:
    - alert: TaskPulseDown
      expr: |
        absent(up{job="taskpulse-api"})
        or sum(up{job="taskpulse-api"}) == 0
      for: 5m
      labels:
        severity: critical
"""
CONFIG = "apiVersion: v1\ndata:\n  DB_POOL_SIZE: '10'\nkind: ConfigMap\nmetadata:\n  name: taskpulse-api-{}\n"


def example() -> Review:
    """A review with something of everything."""
    probe = (
        DEPLOYMENT.partition("        readinessProbe:")[0]
        + "        resources:"
        + DEPLOYMENT.partition("resources:")[2]
    )
    weaker = probe.replace("memory: 256Mi", "memory: 512Mi").replace("sidecar:1.4.2", "sidecar:1.5.0")
    return review(
        OverlayReview("dev", "kept", changes=changes("dev", weaker), images=(SIDECAR,)),
        OverlayReview(
            "main",
            "kept",
            changes=changes("main", weaker),
            images=(SIDECAR,),
            routing=(
                "critical: slack-oncall and mail before, slack-oncall after.",
                "warning: slack-quiet before and after, but no longer at night.",
            ),
        ),
        OverlayReview("chart-main", "kept", notes=("The chart was not rendered: it could not be pulled.",)),
        OverlayReview("preview", "added", error_at_head="resources: no such file: ../../base/<queue>.yaml"),
    )


SIDECAR = ImageChange(
    "ghcr.io/example/sidecar", "ghcr.io/example/sidecar:1.4.2", "ghcr.io/example/sidecar:1.5.0", False
)


def changes(overlay: str, deployment: str) -> tuple[ObjectChange, ...]:
    exposed = SERVICE.replace("ClusterIP", "LoadBalancer").replace(
        "  annotations:\n    networking.gke.io/load-balancer-type: Internal\n", ""
    )
    return (
        change(
            "changed", "Secret", "taskpulse-secret", SECRET.format("before"), SECRET.format("after"), overlay=overlay
        ),
        change(
            "changed",
            "Deployment",
            "taskpulse-api",
            DEPLOYMENT,
            deployment,
            Danger(
                "probe removed",
                "The container taskpulse-api has no readiness probe any more: traffic reaches pods that are not ready.",
            ),
            overlay=overlay,
        ),
        change(
            "changed",
            "Service",
            "taskpulse-api",
            SERVICE,
            exposed,
            Danger(
                "exposure",
                "The type goes from ClusterIP to LoadBalancer: the Service gets an address outside of the cluster.",
            ),
            overlay=overlay,
        ),
        change("created", "ConfigMap", "taskpulse-api-7f9c2b6d4k", "", CONFIG.format("7f9c2b6d4k"), overlay=overlay),
        change(
            "deleted",
            "PrometheusRule",
            "taskpulse",
            ALERT,
            "",
            Danger("alert removed", "TaskPulseDown (critical) is gone: nobody is told when no pod answers."),
            overlay=overlay,
        ),
    )
