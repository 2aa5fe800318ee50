-- Deletes the tasks that were finished longest ago, once that is more than some days.
-- One process at a time: no row comes where another one runs this. A task that is open again by the time of its lock does
-- not match any more, and one that somebody else has locked is left for the next bite.
-- Parameters: turn bigint (the key of the lock of the process that runs this), days double precision, bite bigint (tasks
--   at most).
-- Columns: deleted boolean.
with turn as materialized (
    select pg_try_advisory_xact_lock(%(turn)s::bigint) as mine
), old as (
    select id
    from tasks
    where
        (select mine from turn)
        and finished_at < statement_timestamp() - %(days)s * interval '1 day'
    order by finished_at
    limit %(bite)s
    for update skip locked
), gone as (
    delete from tasks t
    using old
    where t.id = old.id
    returning t.*
), written as (
    insert into history (task_id, version, action, before)
    select t.id, t.version, 'deleted', /*task*/
    from gone t
)
select true as deleted
from gone
