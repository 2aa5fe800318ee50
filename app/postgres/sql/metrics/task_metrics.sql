-- Counts tasks and leases for the gauges; times are seconds since 1970.
-- Parameters: none.
-- Columns: tasks json (number by status), overdue bigint, scheduled bigint (open tasks that wait), oldest_open double
--   precision (since when the oldest open task that does not wait could be claimed), live bigint, expired bigint,
--   oldest_expired double precision (since when the task of an expired lease could be taken over for longest),
--   oldest_pulse double precision.
select
    (
        select json_object_agg(status, tasks)
        from (select status, count(*) as tasks from tasks group by status) as by_status
    ) as tasks,
    (select count(*) from tasks where coalesce(due_at, 'infinity') < now() and finished_at is null) as overdue,
    (select count(*) from tasks where claimable_at > now() and status = 'open') as scheduled,
    extract(epoch from least(
        (
            select created_at
            from tasks
            where
                status = 'open'
                and (claimable_at is null or claimable_at <= now())
                and coalesce(greatest(run_after, rests_until) <= created_at, true)
            order by created_at
            limit 1
        ),
        (
            -- Those that waited: since the end of that. They have an index of their own.
            select greatest(run_after, rests_until)
            from tasks
            where
                status = 'open'
                and greatest(run_after, rests_until) is not null
                and (claimable_at is null or claimable_at <= now())
                and greatest(run_after, rests_until) > created_at
            order by greatest(run_after, rests_until)
            limit 1
        )
    ))::double precision as oldest_open,
    count(*) filter (where /*lease_deadline*/ > now()) as live,
    count(*) filter (where /*lease_deadline*/ <= now()) as expired,
    (
        select extract(epoch from min(wait.ended_at))::double precision
        from
            leases l join tasks t on t.id = l.task_id,
            lateral (select greatest(/*lease_deadline*/, t.rests_until)) as wait (ended_at)
        where l.expires_at <= now() and wait.ended_at <= now()
    ) as oldest_expired,
    extract(epoch from min(l.pulsed_at))::double precision as oldest_pulse
from leases l
