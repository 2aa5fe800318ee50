-- Claims the most urgent tasks that can be claimed; what another transaction has locked is skipped.
-- It finds them first and locks them after that, as many as it claims: a lock on more would hide them from others.
-- Parts: labelled, ready_tasks (claim_tasks.toml), limit (tasks at most), looks (tasks that it finds at most: more than
--   limit, as others may have locked some).
-- Parameters: labels text[], ttl_s integer, worker text, actor text.
-- Columns: claimed json (a ClaimedTask; null: there are tasks, but others were faster; run it again), taken_over boolean
--   (from a worker whose lease had expired).
with recursive stopped as materialized (
    /*stopped_queues*/
), expired as (
    -- "offset 0": from leases to tasks; without statistics, the planner would begin at the tasks.
    select t.id, t.priority, t.due_at
    from leases l cross join lateral (select * from tasks where id = l.task_id offset 0) as t cross join stopped
    where
        l.expires_at <= statement_timestamp()
        and /*lease_deadline*/ + /*retry_wait*/ <= statement_timestamp()
        and (t.claimable_at is null or t.claimable_at <= statement_timestamp())
        and l.attempt < t.max_attempts
        and not t.cancel_requested
        and not t.labels::text[] && stopped.labels
        and /*labelled*/
    order by t.priority desc, t.due_at, t.id
    limit /*looks*/
), rested as (
    -- Their wait has ended and no sweep has seen that. There are many only for a moment, and a claim looks at some.
    select t.id, t.priority, t.due_at
    from tasks t, stopped
    where
        t.id = any(array(
            select r.id
            from tasks r
            where r.claimable_at <= statement_timestamp()
            order by r.claimable_at
            limit 1000
        ))
        and t.status = 'open'
        and t.claimable_at <= statement_timestamp()
        and not t.labels::text[] && stopped.labels
        and /*labelled*/
    order by t.priority desc, t.due_at, t.id
    limit /*looks*/
), /*ready_tasks*/, found as materialized (
    select id, priority, due_at, quiet
    from (
        select id, priority, due_at, true as quiet from expired
        union all
        select id, priority, due_at, false from rested
        union all
        select id, priority, due_at, false from ready
    ) as each
    order by priority desc, due_at, id
    limit /*looks*/
), candidate as (
    select
        t.id, t.status, t.fence, t.attempts, t.max_attempts, t.cancel_requested, t.claimable_at, t.retry, t.priority,
        t.due_at, t.labels
    from found join tasks t on t.id = found.id cross join stopped
    where
        (t.status = 'open' and (t.claimable_at is null or t.claimable_at <= clock_timestamp()) or found.quiet)
        and not t.labels::text[] && stopped.labels
        and /*labelled*/
    order by found.priority desc, found.due_at, found.id
    limit /*limit*/
    for update of t skip locked
), /*claim*/
select claimed, taken_over
from granted
union all
select null, false
where not exists (select from granted) and exists (select from found)
