-- The queues whose tasks cannot be claimed now, as far as this statement sees: they are paused, or have as many leases as
-- they may. Of those that are not settled, a task may be in a lane without the queue.
select
    coalesce(array_agg(q.id), '{}') as ids,
    coalesce(array_agg(q.label), '{}') as labels,
    coalesce(array_agg(q.label) filter (where not q.settled), '{}') as unsettled
from queues q
where
    q.paused_at is not null
    or q.max_leases <= (
        select count(*)
        from (
            select
            from leased_labels leased cross join lateral (
                select
                from leases l
                where l.task_id = leased.task_id and /*lease_deadline*/ > statement_timestamp()
                offset 0 -- so that it never reads the leases of other labels
            ) as lease
            where leased.label = q.label
            limit q.max_leases
        ) as live
    )
