-- Counts the tasks of the queues for the gauges. Times are ages as of now, not moments: some queues look at seconds, and
-- figures are up to half a minute old when an alert looks at them.
-- Parameters: none.
-- Columns: label text, ready bigint, leased bigint, quiet bigint, max_leases integer, paused_s double precision,
--   oldest_ready_s double precision, ready_within_s integer.
select
    q.label, coalesce(ready.number, 0) as ready, leased.live as leased, leased.quiet, q.max_leases,
    coalesce(extract(epoch from now() - q.paused_at), 0)::double precision as paused_s,
    coalesce(greatest(0, extract(epoch from now() - ready.since)), 0)::double precision as oldest_ready_s,
    q.ready_within_s
from
    queues q
    left join (
        select r.label, count(*) as number, min(r.since) as since
        from ready_labels r
        where r.label in (select label from queues)
        group by r.label
    ) as ready on ready.label = q.label,
    lateral (
        select
            count(*) filter (where /*lease_deadline*/ > now()) as live,
            count(*) filter (where /*lease_deadline*/ <= now()) as quiet
        from leased_labels join leases l on l.task_id = leased_labels.task_id
        where leased_labels.label = q.label
    ) as leased
order by q.label
