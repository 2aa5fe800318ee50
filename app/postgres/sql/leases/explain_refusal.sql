-- Says why a task cannot be claimed, or a lease not be used. No row: there is no such task.
-- Parameters: id uuid.
-- Columns: status text, reason text (null: it can be claimed by now), again_in_s integer.
select
    status::text,
    case
        when rests_for_s > 0 then 'resting'
        when live_for_s > 0 then 'held'
        when cancel_requested then 'cancelling'
        when last_attempt then 'exhausted'
    end as reason,
    greatest(1, case
        when rests_for_s > 0 then rests_for_s
        when live_for_s > 0 then live_for_s
        when last_attempt and not cancel_requested then live_for_s + 30
    end) as again_in_s
from (
    select
        t.status,
        t.cancel_requested,
        l.attempt >= t.max_attempts as last_attempt,
        ceil(extract(epoch from t.claimable_at - statement_timestamp()))::integer as rests_for_s,
        ceil(extract(epoch from /*lease_deadline*/ - statement_timestamp()))::integer as live_for_s
    from tasks t left join leases l on l.task_id = t.id
    where t.id = %(id)s
) as task
