-- Locks a task and ends the lease that a token has on it.
-- Parameters: id uuid, token uuid.
with old as (
    select * from tasks where id = %(id)s for update
), lease as (
    delete from leases l
    using old
    where l.task_id = old.id and l.token = %(token)s
    returning l.task_id, l.attempt, l.worker
)
