update tasks
set claimable_at = null
where id in (
    select id from tasks where claimable_at <= statement_timestamp() limit 1000 for update skip locked
)
returning id
