-- Reads leases after one of them, in the order of their tasks. A filter that is null lets every lease through.
-- Parameters: after uuid, state text (live or quiet), workers text[], labels text[], limit bigint.
-- Columns: task_id uuid, lease json (a HeldTask).
select l.task_id, json_build_object(
    'task_id', l.task_id,
    'title', t.title,
    'priority', t.priority,
    'labels', t.labels,
    'max_attempts', t.max_attempts,
    /*lease*/,
    'cancel_requested', t.cancel_requested,
    'state', case when /*lease_deadline*/ > statement_timestamp() then 'live' else 'quiet' end
) as lease
from leases l join tasks t on t.id = l.task_id
where
    l.task_id > %(after)s
    and (
        %(state)s::text is null
        or %(state)s::text = 'live' and /*lease_deadline*/ > statement_timestamp()
        or %(state)s::text = 'quiet' and l.expires_at <= statement_timestamp() and /*lease_deadline*/ <= statement_timestamp()
    )
    and (%(workers)s::text[] is null or l.worker = any(%(workers)s::text[]))
    and (%(labels)s::text[] is null or t.labels::text[] && %(labels)s::text[])
order by l.task_id
limit %(limit)s
