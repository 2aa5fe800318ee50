-- Gives a task back without spending an attempt: it is open again, or cancelled as asked for.
-- A task whose latest lease this token ended before, by fail or release, is returned as it is now.
-- No row: the token does not hold the task.
-- Parameters: id uuid, token uuid, actor text.
-- Columns: version bigint, task json.
/*end_lease*/, new as (
    update tasks t
    set
        status = case when old.cancel_requested then 'cancelled'::task_status else 'open' end,
        finished_at = case when old.cancel_requested then moment.at end,
        claimable_at = null, rests_until = null, attempts = lease.attempt - 1, cancel_requested = false, ended_by = %(token)s,
        updated_at = moment.at, version = t.version + 1
    from old, lease, /*moment*/
    where t.id = old.id and lease.task_id = old.id
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select
        new.id, new.version, 'released', %(actor)s, difference.before,
        (
            select json_object_agg(key, value)
            from (
                select * from json_each(difference.after) union all values ('worker', to_json(lease.worker))
            ) as member
        )
    from old, new, lease, lateral (/*difference*/) as difference
)
/*given_up*/
