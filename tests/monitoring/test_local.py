"""What `make run-monitoring` says to bad input, and that it runs on other ports."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitoring.local.run import main
from tests.support.service import free_port

OPTIONS = ("--port", "--prometheus-port", "--alertmanager-port", "--webhook-port")


@pytest.mark.parametrize("option", OPTIONS)
def test_a_port_that_is_none_is_refused_in_a_sentence(option: str) -> None:
    answer = CliRunner().invoke(main, [option, "99999"])
    assert answer.exit_code == 2
    assert "99999 is not in the range 1<=x<=65535" in answer.output


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = [str(free_port()), port, str(free_port()), str(free_port())]
        answer = CliRunner().invoke(main, [*flat(ports), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"Port {port} of 127.0.0.1 is taken: stop what listens there, or choose another by PROMETHEUS_PORT=." in (
        answer.output
    )


def test_two_ports_that_are_the_same_are_refused(tmp_path: Path) -> None:
    port = str(free_port())
    ports = [str(free_port()), str(free_port()), port, port]
    answer = CliRunner().invoke(main, [*flat(ports), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"ALERTMANAGER_PORT and WEBHOOK_PORT are both {port}" in answer.output


def flat(ports: list[str]) -> list[str]:
    return [word for pair in zip(OPTIONS, ports, strict=True) for word in pair]


@pytest.mark.slow
def test_it_runs_on_ports_of_ones_choosing(tmp_path: Path) -> None:
    """Until its alert is shown as Slack would show it."""
    ports = [str(free_port()) for _ in OPTIONS]
    command = [sys.executable, "-u", "-m", "monitoring.local.run", *flat(ports), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        limit = threading.Timer(180, running.kill)
        limit.start()
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if "FIRING · warning · TaskPulseWorkerQuiet in taskpulse-dev" in line:
                break
        limit.cancel()
        running.send_signal(signal.SIGTERM)
        said += running.stdout.read()
    assert "FIRING · warning · TaskPulseWorkerQuiet in taskpulse-dev" in said, said
    for port in ports[:3]:
        assert f"http://127.0.0.1:{port}/" in said
