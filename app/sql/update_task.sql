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
        and (%(versions)s::bigint[] is null or old.version = any(%(versions)s))
        and {differs}
    returning t.*
)
select
    t.version,
    {task},
    %(versions)s::bigint[] is null or (select old.version from old) = any(%(versions)s) as matched
from (select * from new union all select * from old where not exists (select from new)) t
