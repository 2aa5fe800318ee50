-- The answer of fail and release: the task, also where this token ended its latest lease before.
-- Needs: old, the task's row before the statement, and new, its row if the token held it.
-- Parameters: token uuid.
select t.version, /*task*/ as task
from (
    select * from new
    union all
    select * from old
    where old.ended_by = %(token)s and not exists (select from leases l where l.task_id = old.id)
) t
