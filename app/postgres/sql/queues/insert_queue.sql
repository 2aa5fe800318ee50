-- Makes a queue of a label that has none, unless there are as many as there may be. No row: there are.
-- Parameters: label text, paused boolean, max_leases integer, ready_within_s integer, most bigint.
-- Columns: version bigint, queue json (a Queue).
with q as (
    insert into queues (label, paused_at, max_leases, ready_within_s)
    select %(label)s::text, case when %(paused)s::boolean then clock_timestamp() end, %(max_leases)s::integer, %(ready_within_s)s::integer
    where (select count(*) from queues) < %(most)s::bigint
    returning *
)
select q.version, /*queue*/ as queue
from q
