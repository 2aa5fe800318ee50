"""The command line: `python -m delivery COMMAND`, from the root of a checkout."""

import click

from delivery.cli.deploy import deploy_command, history_command, plan_command, rollback_command
from delivery.cli.environment import fetch_secrets_command, monitoring_chart_command
from delivery.cli.manifests import render_command, validate_command
from delivery.cli.review import comment_command, review_command


@click.group()
def main() -> None:
    """From a commit to running pods."""


for command in (
    render_command,
    validate_command,
    review_command,
    comment_command,
    fetch_secrets_command,
    monitoring_chart_command,
    plan_command,
    deploy_command,
    rollback_command,
    history_command,
):
    main.add_command(command)
