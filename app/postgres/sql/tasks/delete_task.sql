-- Deletes a task unless a worker holds it. No row: there is no such task.
-- Parameters: id uuid, versions bigint[] (null: any), actor text.
-- Columns: matched boolean (the version is one of those), fresh boolean (false: run it again), live_for_s integer
--   (not null: a worker holds the task).
/*lock_task*/, gone as (
    delete from tasks t
    using old, held
    where
        t.id = old.id
        and held.fresh
        and held.live_for_s is null
        and (%(versions)s::bigint[] is null or old.version = any(%(versions)s::bigint[]))
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before)
    select t.id, t.version, 'deleted', %(actor)s, /*task*/
    from gone t
)
select
    %(versions)s::bigint[] is null or old.version = any(%(versions)s::bigint[]) as matched,
    held.fresh,
    held.live_for_s
from old, held
