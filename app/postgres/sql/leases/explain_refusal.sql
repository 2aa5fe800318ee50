-- Says why a task cannot be claimed, or a lease not be used. No row: there is no such task.
-- Parameters: id uuid.
-- Columns: status text, reason text (null: it can be claimed by now), again_in_s bigint, queue text (the label whose queue
--   is the reason).
select
    status::text,
    case
        when live_for_s > 0 then 'held'
        when waits_for_s > 0 and scheduled then 'scheduled'
        when waits_for_s > 0 then 'resting'
        when cancel_requested then 'cancelling'
        when last_attempt then 'exhausted'
        when queue_paused then 'paused'
        when queue is not null then 'full'
    end as reason,
    greatest(1, case
        when live_for_s > 0 then live_for_s
        when waits_for_s > 0 then waits_for_s
        when last_attempt and not cancel_requested then live_for_s + 30
        when queue_paused then 30
    end) as again_in_s,
    queue
from (
    select
        t.status,
        t.cancel_requested,
        l.attempt >= t.max_attempts as last_attempt,
        t.run_after > statement_timestamp() is true or t.retry is not null as scheduled,
        ceil(extract(epoch from greatest(
            t.claimable_at,
            case when l.attempt < t.max_attempts and not t.cancel_requested then /*lease_deadline*/ + /*retry_wait*/ end
        ) - statement_timestamp()))::bigint as waits_for_s,
        ceil(extract(epoch from /*lease_deadline*/ - statement_timestamp()))::integer as live_for_s,
        stopped.label as queue,
        stopped.paused as queue_paused
    from
        tasks t
        left join leases l on l.task_id = t.id
        left join lateral (
            select q.label, q.paused_at is not null as paused
            from queues q
            where
                q.label = any(t.labels::text[])
                and (q.paused_at is not null or q.max_leases <= live_leases(q.label))
            order by paused desc, q.label
            limit 1
        ) as stopped on true
    where t.id = %(id)s
) as task
