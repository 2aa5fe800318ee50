-- Finds tasks that can be claimed because a lease, or the wait after it, ended in the last three seconds.
-- The sweep records an expiry once an attempt, but a late pulse lets the same lease expire again.
-- Parameters: none.
-- Columns: labels text[].
select t.labels::text[] as labels
from leases l join tasks t on t.id = l.task_id
where
    l.expires_at > statement_timestamp() - interval '3 seconds'
    and l.expires_at <= statement_timestamp()
    and l.attempt < t.max_attempts
    and not t.cancel_requested
limit 1000
