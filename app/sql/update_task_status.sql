{lock_task}, new as (
    update tasks t
    set
        {changes},
        updated_at = clock_timestamp(),
        version = t.version + 1
    from old, held
    where
        t.id = old.id
        and held.fresh
        and (held.live_for_s is null or %(status)s::task_status = 'cancelled')
        and (%(versions)s::bigint[] is null or old.version = any(%(versions)s::bigint[]))
        and {differs}
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id and new.status <> 'in_progress'
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'updated', %(actor)s, difference.before, difference.after
    from old, new, lateral ({difference}) as difference
)
select
    t.version,
    {task},
    %(versions)s::bigint[] is null or (select version from old) = any(%(versions)s::bigint[]) as matched,
    held.fresh,
    case when %(status)s::task_status <> 'cancelled' then held.live_for_s end
from held, (select * from new union all select * from old where not exists (select from new)) t
