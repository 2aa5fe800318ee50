-- Ends pauses that a failed attempt asked for and that are over, so that those who wait for work are notified.
-- Parameters: none.
-- Columns: id uuid.
update tasks
set claimable_at = null
where id in (
    select id from tasks where claimable_at <= statement_timestamp() limit 1000 for update skip locked
)
returning id
