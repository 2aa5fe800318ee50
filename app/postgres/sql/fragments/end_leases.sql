-- Locks tasks and ends the leases that tokens have on them. Locks are taken in the order of fragments/claim.sql.
-- It joins asked, of which PostgreSQL expects a hundred rows, and compares tokens in `case`: if it expected few rows, it
-- would compare each with each.
-- Needs: asked, with id and token.
old as materialized (
    select t.*
    from asked join tasks t on t.id = asked.id
    order by t.id
    for update of t
), held as materialized (
    select l.task_id, l.token
    from old join leases l on l.task_id = old.id
    where (select count(*) from old) > 0 -- so that all tasks are locked before the first lease
    order by l.task_id
    for update of l
), lease as (
    delete from leases l
    using held join asked on asked.id = held.task_id
    where l.task_id = held.task_id and case when held.token = asked.token then true end
    returning l.task_id, l.attempt, l.worker
)
