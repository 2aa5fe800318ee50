-- Ends the attempts of tasks whose leases have ended, and writes that into their history.
-- Needs: old, the locked rows of tasks; lease, the leases that have ended; asked, with id, token, error and retry_in_s.
-- Parameters: actor text.
new as (
    update tasks t
    set
        status = outcome.status,
        finished_at = case when outcome.status <> 'open' then moment.at end,
        claimable_at = rest.until, rests_until = rest.until,
        attempts = lease.attempt, cancel_requested = false, ended_by = asked.token,
        updated_at = moment.at, version = t.version + 1
    from old, lease, asked, /*moment*/, lateral (
        select case
            when old.cancel_requested then 'cancelled'::task_status
            when lease.attempt >= old.max_attempts then 'failed'
            else 'open'
        end
    ) as outcome (status), lateral (
        select case
            when outcome.status = 'open' then moment.at + coalesce(asked.retry_in_s * interval '1 second', /*retry_wait*/)
        end
        from (select old.id, old.retry) as t, (select lease.attempt) as l
    ) as pause (until), lateral (select case when pause.until > moment.at then pause.until end) as rest (until)
    where t.id = old.id and lease.task_id = old.id and asked.id = old.id
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
                values ('worker', to_json(lease.worker)), ('error', to_json(asked.error))
            ) as member
        )
    from old, new, lease, asked, lateral (/*difference*/) as difference
    where new.id = old.id and lease.task_id = old.id and asked.id = old.id
)
