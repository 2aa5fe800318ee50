-- Inserts tasks, all or none, and returns them in the order given.
-- Parameters: tasks json (array of NewTask), actors text[] (as many).
-- Columns: id uuid, version bigint, task json.
with new as (
    insert into tasks (title, description, status, priority, assignee, labels, due_at, run_after, claimable_at, payload, max_attempts, finished_at)
    select
        title, description, status, priority, assignee, labels, due_at, run_after,
        case when run_after > now() then run_after end, payload, max_attempts,
        case when status in ('done', 'cancelled', 'failed') then now() end
    from rows from (
        json_to_recordset(%(tasks)s) as (
            title text, description text, status task_status, priority task_priority, assignee text,
            labels text[], due_at timestamptz, run_after timestamptz, payload json, max_attempts integer
        )
    ) with ordinality
    order by ordinality
    returning *
), described as (
    -- the ids grow in the order in which the rows came
    select t.id, t.version, /*task*/ as task, row_number() over (order by t.id) as number
    from new t
), written as (
    insert into history (task_id, version, action, actor, after)
    select id, version, 'created', (%(actors)s::text[])[number], task
    from described
    order by id
)
select id, version, task
from described
order by id
