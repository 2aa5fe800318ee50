-- Inserts tasks and returns them, in the order given.
-- Parts: order (in which they are inserted; the ids grow in the order given), conflict (what to do with one whose
--   unique_key another unfinished task has).
-- Parameters: tasks json (array of NewTask), actors text[] (as many).
-- Columns: number bigint (its place in the array, from 1), id uuid, version bigint, task json.
with asked as materialized (
    select uuidv7() as id, given.*
    from rows from (
        json_to_recordset(%(tasks)s) as (
            title text, description text, status task_status, priority task_priority, assignee text,
            labels text[], due_at timestamptz, run_after timestamptz, payload json, max_attempts integer,
            retry jsonb, unique_key text
        )
    ) with ordinality as given
), new as (
    insert into tasks (id, title, description, status, priority, assignee, labels, due_at, run_after, claimable_at, payload, max_attempts, retry, unique_key, finished_at)
    select
        id, title, description, status, priority, assignee, labels, due_at, run_after,
        case when run_after > now() then run_after end, payload, max_attempts, retry, unique_key,
        case when status in ('done', 'cancelled', 'failed') then now() end
    from asked
    order by /*order*/
    /*conflict*/
    returning *
), described as (
    select asked.ordinality as number, t.id, t.version, /*task*/ as task
    from new t join asked on asked.id = t.id
), written as (
    insert into history (task_id, version, action, actor, after)
    select id, version, 'created', (%(actors)s::text[])[number], task
    from described
    order by number
)
select number, id, version, task
from described
order by number
