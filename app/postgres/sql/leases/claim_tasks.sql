-- Claims the most urgent tasks that can be claimed; what another transaction has locked is skipped.
-- Parts: labelled (a condition on t.labels), limit (tasks at most).
-- Parameters: labels text[], ttl_s integer, worker text, actor text.
-- Columns: claimed json (a ClaimedTask), taken_over boolean (from a worker whose lease had expired).
with expired as (
    select
        t.id, t.status, t.fence, t.attempts, t.max_attempts, t.cancel_requested, t.claimable_at, t.retry, t.priority,
        t.due_at
    from leases l join tasks t on t.id = l.task_id
    where
        l.expires_at <= statement_timestamp()
        and /*lease_deadline*/ + /*retry_wait*/ <= statement_timestamp()
        and (t.claimable_at is null or t.claimable_at <= statement_timestamp())
        and l.attempt < t.max_attempts
        and not t.cancel_requested
        and /*labelled*/
    order by t.priority desc, t.due_at, t.id
    limit /*limit*/
    for update of t, l skip locked
), waiting as (
    select
        t.id, t.status, t.fence, t.attempts, t.max_attempts, t.cancel_requested, t.claimable_at, t.retry, t.priority,
        t.due_at
    from tasks t
    where
        t.status = 'open'
        and t.claimable_at is null
        and /*labelled*/
    order by t.priority desc, t.due_at, t.id
    limit /*limit*/
    for update skip locked
), rested as (
    -- Their wait has ended and no sweep has seen that. There are many only for a moment, and a claim looks at some.
    select
        t.id, t.status, t.fence, t.attempts, t.max_attempts, t.cancel_requested, t.claimable_at, t.retry, t.priority,
        t.due_at
    from tasks t
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
        and /*labelled*/
    order by t.priority desc, t.due_at, t.id
    limit /*limit*/
    for update skip locked
), candidate as (
    select * from expired
    union all
    select * from waiting
    union all
    select * from rested
    order by priority desc, due_at, id
    limit /*limit*/
), /*claim*/
