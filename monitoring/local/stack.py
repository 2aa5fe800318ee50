"""Prometheus and Alertmanager, started beside each other on loopback."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.manifests import Object

START_TIMEOUT_S = 30


class Stack:
    """A context manager that runs both in `folder`, where their files and logs stay."""

    def __init__(
        self, folder: Path, prometheus: int, alertmanager: int, alert_flags: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._alert_flags = alert_flags or {}
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self.alertmanager_port = alertmanager
        self.alertmanager = f"http://127.0.0.1:{alertmanager}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def write(self, *, prometheus: Object, rules: Object, alertmanager: Object) -> None:
        """Write the three files that they read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("prometheus", prometheus), ("rules", rules), ("alertmanager", alertmanager)):
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Start both and return when they are ready.

        Raises DeliveryError with the end of the log when one does not get ready.
        """
        self.start_alertmanager(environment)
        self.start_prometheus()

    def start_alertmanager(self, environment: dict[str, str] | None = None) -> None:
        """Start Alertmanager and return when it is ready; `environment` is its own, by default this process's.

        Raises DeliveryError with the end of the log when it does not get ready.
        """
        self._start(
            "alertmanager", self.alertmanager, ["--cluster.listen-address=", "--storage.path=data-am"], environment
        )

    def start_prometheus(self) -> None:
        """Start Prometheus and return when it is ready.

        Raises DeliveryError with the end of the log when it does not get ready.
        """
        flags = [f"--rules.alert.{name}={value}" for name, value in self._alert_flags.items()]
        self._start("prometheus", self.prometheus, ["--storage.tsdb.path=data-prom", *flags], None)

    def stop_prometheus(self) -> None:
        """End Prometheus; its data stay."""
        process = self._processes.pop("prometheus")
        process.terminate()
        process.wait(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=20)

    def query(self, promql: str) -> list[Any]:
        """Return the instant vector that a query gives now."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": promql})
        result: list[Any] = answer.raise_for_status().json()["data"]["result"]
        return result

    def alerts(self) -> list[Any]:
        """Return the alerts that Alertmanager has, with who silences or inhibits each."""
        result: list[Any] = httpx.get(f"{self.alertmanager}/api/v2/alerts").raise_for_status().json()
        return result

    def _start(self, name: str, url: str, options: Sequence[str], environment: dict[str, str] | None) -> None:
        program = ROOT / ".tools" / "bin" / name
        if not program.exists():
            raise DeliveryError(f"{name} is not built yet: run `make monitoring` first.")
        log = self.folder / f"{name}.log"
        address = url.removeprefix("http://")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [
                    program,
                    f"--config.file={name}.yaml",
                    f"--web.listen-address={address}",
                    f"--web.external-url={url}",
                    *options,
                ],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
            )
        self._processes[name] = process
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise DeliveryError(f"{name} did not get ready:\n{log.read_text('utf-8')[-2000:]}")
