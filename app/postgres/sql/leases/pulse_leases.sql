-- Extends the leases of many calls from now; an expired one too, as long as nobody else has claimed the task.
-- No row for a call: its token does not hold the task, or the row was skipped.
-- A late one needs room in the task's queues. One that may be late by the end of the statement locks those of them that
-- have a limit, alone: who counts their leases meanwhile waits. Locks are taken in the order of fragments/claim.sql.
-- Parts: waiting (what to do with locked rows), allowed (of a lease l: a condition).
-- Parameters: calls json (objects with id, token, progress, note), ids uuid[] (those of the calls).
-- Columns: id bytea, heartbeat json (a Heartbeat).
with asked as (
    select *
    from json_to_recordset(%(calls)s) as (id uuid, token uuid, progress double precision, note text)
), limited as materialized (
    select q.label, q.max_leases
    from queues q
    where
        q.max_leases is not null
        and q.label in (
            select label from tasks t, unnest(t.labels::text[]) as label where t.id = any((select %(ids)s::uuid[])::uuid[])
        )
    order by q.label
    for no key update
), room as materialized (
    select max_leases - live_leases(label) as leases from limited
), held as (
    select l.task_id
    from leases l
    where
        l.task_id = any((select %(ids)s::uuid[])::uuid[]) -- planned once, as in get_tasks.sql
        and l.token = (select asked.token from asked where asked.id = l.task_id)
        and /*allowed*/
    for update /*waiting*/
)
update leases l
set
    /*extended*/
from held join asked on asked.id = held.task_id
where l.task_id = held.task_id
returning uuid_send(l.task_id) as id, json_build_object(
    'expires_at', to_char(l.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'pulse_every_s', /*pulse_every_s*/,
    'cancel_requested', (select t.cancel_requested from tasks t where t.id = l.task_id)
) as heartbeat
