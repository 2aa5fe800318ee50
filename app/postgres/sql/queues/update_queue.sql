-- Replaces the rules of a queue; where nothing differs, its version stays. No row: the label has none.
-- Parameters: label text, paused boolean, max_leases integer, ready_within_s integer.
-- Columns: version bigint, queue json (a Queue).
with old as (
    select * from queues where label = %(label)s::text
), new as (
    update queues
    set
        paused_at = case when %(paused)s::boolean then coalesce(queues.paused_at, clock_timestamp()) end,
        max_leases = %(max_leases)s::integer, ready_within_s = %(ready_within_s)s::integer,
        updated_at = clock_timestamp(), version = nextval('queue_versions')
    from old
    where
        queues.label = old.label
        and (old.paused_at is not null, old.max_leases, old.ready_within_s)
        is distinct from (%(paused)s::boolean, %(max_leases)s::integer, %(ready_within_s)s::integer)
    returning queues.*
)
select q.version, /*queue*/ as queue
from (select * from new union all select * from old where not exists (select from new)) q
