"""The command `taskpulse`: the group of all commands."""

import click

from app import __version__
from app.cli import keys, queues, service, task_actions, task_changes, tasks, watch, workers


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="taskpulse")
def main() -> None:
    """A task queue with an HTTP API: workers lease tasks and send heartbeats.

    \b
    Try it here:      taskpulse dev
    In production:    taskpulse migrate && taskpulse serve
    A key for a user: taskpulse keys create --name alice --scope read
    See the tasks:    taskpulse tasks list --url http://localhost:8000
    Work on tasks:    taskpulse work --url http://localhost:8000 -- ./print.sh
    Follow changes:   taskpulse watch --url http://localhost:8000
    Watch a cron job: taskpulse run --url http://localhost:8000 --title backup
                      --cron '0 3 * * *' --grace 2h -- ./backup.sh

    `tasks`, `queues`, `work`, `run` and `watch` call the API: set its address in TASKPULSE_URL or --url, and a key in
    TASKPULSE_KEY. `serve`, `migrate` and `keys` connect to the database: set DB_HOST, DB_PORT, DB_NAME, DB_USER and
    DB_PASSWORD (or DB_PASSWORD_FILE), and DB_SSLMODE and DB_SSLROOTCERT for TLS.
    """


for command in (
    service.serve,
    service.migrate,
    service.dev,
    keys.keys,
    workers.work_on_tasks,
    workers.run_script,
    watch.watch_events,
    tasks.tasks,
    queues.queues,
):
    main.add_command(command)

for command in (
    task_changes.create_task,
    task_changes.edit_task,
    task_actions.cancel_tasks,
    task_actions.requeue_tasks,
    task_actions.delete_tasks,
):
    tasks.tasks.add_command(command)
