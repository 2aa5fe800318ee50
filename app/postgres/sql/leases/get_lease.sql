-- Reads the lease on a task, live or expired. No row: nobody has claimed it.
-- Parameters: id uuid.
-- Columns: lease json (a LeaseState).
select json_build_object(
    /*lease*/,
    'state', case when /*lease_deadline*/ > statement_timestamp() then 'live' else 'expired' end
) as lease
from leases l
where l.task_id = %(id)s
