"""The command line: `python -m delivery COMMAND`, from the root of a checkout."""

from importlib import import_module

import click

COMMANDS = {
    "render": "manifests.render_command",
    "validate": "manifests.validate_command",
    "review": "review.review_command",
    "comment": "review.comment_command",
    "find-image": "image.find_image_command",
    "push-image": "image.push_image_command",
    "fetch-secrets": "environment.fetch_secrets_command",
    "monitoring-chart": "environment.monitoring_chart_command",
    "plan": "plan.plan_command",
    "deploy": "deploy.deploy_command",
    "rollback": "deploy.rollback_command",
    "history": "deploy.history_command",
    "freeze": "freeze.freeze_command",
    "unfreeze": "freeze.unfreeze_command",
}


class Commands(click.Group):
    """Imports only the command that runs: the libraries of all of them take half a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(".")
        found: click.Command = getattr(import_module(f"delivery.cli.{module}"), name)
        return found


@click.group(cls=Commands)
def main() -> None:
    """From a commit to running pods."""
