-- Makes a task done that this token holds; a task that this token completed before is returned as it is.
-- No row: the token does not hold the task.
-- The result is json, not jsonb: kept as sent. jsonb would write 1e308 with 309 digits.
-- Parameters: id uuid, token uuid, actor text, result json.
-- Columns: version bigint, task json.
/*end_lease*/, new as (
    update tasks t
    set
        status = 'done', result = %(result)s::json, finished_at = moment.at, completed_by = %(token)s, cancel_requested = false,
        updated_at = moment.at, version = t.version + 1
    from old, lease, /*moment*/
    where t.id = old.id and lease.task_id = old.id
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select
        new.id, new.version, 'completed', %(actor)s, difference.before,
        (
            select json_object_agg(key, value)
            from (
                select * from json_each(difference.after) where key <> 'result'
                union all
                values ('worker', to_json(lease.worker)), ('result', new.result)
            ) as member
        )
    from old, new, lease, lateral (/*difference*/) as difference
)
select t.version, /*task*/ as task
from (
    select * from new
    union all
    select * from old where old.status = 'done' and old.completed_by = %(token)s
) t
