-- Reads the lease on a task, live or expired. No row: nobody has claimed it.
-- Parameters: id uuid.
-- Columns: lease json (a LeaseState).
select json_build_object(
    'worker', l.worker,
    'attempt', l.attempt,
    'fence', l.fence,
    'claimed_at', to_char(l.claimed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'pulsed_at', to_char(l.pulsed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'expires_at', to_char(l.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'progress', l.progress,
    'note', l.note,
    'state', case when /*lease_deadline*/ > statement_timestamp() then 'live' else 'expired' end
) as lease
from leases l
where l.task_id = %(id)s
