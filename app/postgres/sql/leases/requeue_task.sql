-- Makes a task open again, with all its attempts; an open one that has used none stays as it is.
-- No row: there is no such task.
-- Parameters: id uuid, actor text.
-- Columns: version bigint, task json, fresh boolean (false: run it again), live_for_s integer (not null: a worker
--   holds the task).
/*lock_task*/, new as (
    update tasks t
    set
        /*reopened*/
    from held
    where
        t.id = %(id)s
        and held.fresh
        and held.live_for_s is null
        and (t.status <> 'open' or t.attempts > 0 or t.claimable_at is not null or t.run_after is not null)
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'requeued', %(actor)s, difference.before, difference.after
    from old, new, lateral (/*difference*/) as difference
)
select t.version, /*task*/ as task, held.fresh, held.live_for_s
from held, (select * from new union all select * from old where not exists (select from new)) t
