-- Notes that waits are over, of some tasks, so that those who wait for work are notified.
-- Parameters: bite bigint (tasks at most).
-- Columns: labels text[].
update tasks
set claimable_at = null
where id in (
    select id from tasks where claimable_at <= statement_timestamp() order by claimable_at limit %(bite)s for update skip locked
)
returning labels::text[] as labels
