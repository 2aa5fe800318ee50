-- Ends the attempt of this token: the task is open again, failed after its last attempt, or cancelled as asked for.
-- A task whose latest lease this token ended before, by fail or release, is returned as it is now.
-- No row: the token does not hold the task.
-- Parameters: id uuid, token uuid, retry_in_s double precision (null: as the task's retry says), actor text, error text.
-- Columns: version bigint, task json.
/*end_lease*/, new as (
    update tasks t
    set
        status = outcome.status,
        finished_at = case when outcome.status <> 'open' then moment.at end,
        claimable_at = rest.until, rests_until = rest.until,
        attempts = lease.attempt, cancel_requested = false, ended_by = %(token)s,
        updated_at = moment.at, version = t.version + 1
    from old, lease, /*moment*/, lateral (
        select case
            when old.cancel_requested then 'cancelled'::task_status
            when lease.attempt >= old.max_attempts then 'failed'
            else 'open'
        end
    ) as outcome (status), lateral (
        select case
            when outcome.status = 'open' then moment.at + coalesce(%(retry_in_s)s * interval '1 second', /*retry_wait*/)
        end
        from (select old.id, old.retry) as t, (select lease.attempt) as l
    ) as pause (until), lateral (select case when pause.until > moment.at then pause.until end) as rest (until)
    where t.id = old.id and lease.task_id = old.id
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select
        new.id, new.version, 'failed', %(actor)s, difference.before,
        (
            select json_object_agg(key, value)
            from (
                select * from json_each(difference.after)
                union all
                values ('worker', to_json(lease.worker)), ('error', to_json(%(error)s::text))
            ) as member
        )
    from old, new, lease, lateral (/*difference*/) as difference
)
/*given_up*/
