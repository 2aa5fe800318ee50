-- Locks a task and its lease.
-- Parameters: id uuid.
with old as (
    select * from tasks where id = %(id)s for update
), lease as (
    select ceil(extract(epoch from /*lease_deadline*/ - clock_timestamp()))::integer as live_for_s
    from old join leases l on l.task_id = old.id
    for update of l
), held as (
    select
        -- Another version than the one this statement began with: it may have missed a new lease.
        old.version = (select t.version from tasks t where t.id = %(id)s) as fresh,
        (select nullif(greatest(live_for_s, 0), 0) from lease) as live_for_s
    from old
)
