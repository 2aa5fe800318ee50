"""What kube-state-metrics, the blackbox exporter and the Prometheus operator show of TaskPulse: none can run here.

Names and labels: https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics
"""

import time
from http.server import BaseHTTPRequestHandler

from monitoring.local.receivers import Listener, Silent

SHOWN = """\
kube_deployment_spec_replicas{namespace="taskpulse",deployment="taskpulse-api"} 2
kube_horizontalpodautoscaler_status_current_replicas{namespace="taskpulse",horizontalpodautoscaler="taskpulse-api"} 4
kube_horizontalpodautoscaler_spec_max_replicas{namespace="taskpulse",horizontalpodautoscaler="taskpulse-api"} 6
kube_horizontalpodautoscaler_spec_min_replicas{namespace="taskpulse",horizontalpodautoscaler="taskpulse-api"} 2
kube_horizontalpodautoscaler_status_condition{namespace="taskpulse",horizontalpodautoscaler="taskpulse-api",\
condition="ScalingLimited",status="true"} 0
kube_pod_container_status_waiting_reason{namespace="taskpulse",pod="taskpulse-api-0",container="api",\
reason="CrashLoopBackOff"} 0
kube_pod_container_status_restarts_total{namespace="taskpulse",pod="taskpulse-api-0",container="api"} 1
kube_pod_init_container_status_ready{namespace="taskpulse",pod="taskpulse-api-1",container="migrate"} 0
prometheus_operator_managed_resources{namespace="monitoring",resource="PrometheusRule",state="rejected"} 0
probe_success{namespace="taskpulse",job="taskpulse-probe",instance="https://taskpulse.example.com/health/ready"} 1
probe_ssl_earliest_cert_expiry{namespace="taskpulse",job="taskpulse-probe",\
instance="https://taskpulse.example.com/health/ready"} @expiry@
"""


class Exporters(Listener):
    """A context manager that listens."""

    def __init__(self, port: int) -> None:
        class Metrics(Silent, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(SHOWN.replace("@expiry@", str(int(time.time()) + 40 * 86_400)).encode())

        self.scrape = {
            "job_name": "exporters",
            "scrape_interval": "1s",
            "honor_labels": True,
            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
        }
        super().__init__(port, Metrics)
