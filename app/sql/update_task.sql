with old as (
    select * from tasks where id = %(id)s for update
), new as (
    update tasks t
    set
        {changes},
        updated_at = clock_timestamp(),
        version = t.version + 1
    from old
    where
        t.id = old.id
        and (%(versions)s::bigint[] is null or old.version = any(%(versions)s::bigint[]))
        and {differs}
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'updated', %(actor)s, difference.before, difference.after
    from old, new, lateral ({difference}) as difference
)
select
    t.version,
    {task},
    %(versions)s::bigint[] is null or (select version from old) = any(%(versions)s::bigint[]) as matched,
    true as fresh,
    null as live_for_s
from (select * from new union all select * from old where not exists (select from new)) t
