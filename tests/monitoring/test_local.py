"""What `make run-monitoring` says to bad input."""

from click.testing import CliRunner

from monitoring.local.run import main


def test_a_port_that_is_none_is_refused_in_a_sentence() -> None:
    answer = CliRunner().invoke(main, ["--port", "99999"])
    assert answer.exit_code == 2
    assert "99999 is not in the range 1<=x<=65535" in answer.output
