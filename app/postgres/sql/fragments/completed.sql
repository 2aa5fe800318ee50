-- Makes tasks done whose leases have ended, and writes that into their history.
-- Needs: old, the locked rows of tasks; lease, the leases that have ended; asked, with id, token and result.
-- Parameters: actor text.
new as (
    update tasks t
    set
        status = 'done', result = asked.result, finished_at = moment.at, completed_by = asked.token,
        cancel_requested = false, updated_at = moment.at, version = t.version + 1
    from old, lease, asked, /*moment*/
    where t.id = old.id and lease.task_id = old.id and asked.id = old.id
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
    where new.id = old.id and lease.task_id = old.id
)
