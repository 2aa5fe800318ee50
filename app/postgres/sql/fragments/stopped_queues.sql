-- The queues whose tasks cannot be claimed now, as far as this statement sees: they are paused, or have as many leases as
-- they may.
select coalesce(array_agg(q.id), '{}') as ids, coalesce(array_agg(q.label), '{}') as labels
from
    queues q
    left join (
        select label, count(*) as number
        from leases l join tasks t on t.id = l.task_id, unnest(t.labels::text[]) as label
        where
            exists (select from queues where max_leases is not null)
            and /*lease_deadline*/ > statement_timestamp()
        group by label
    ) as taken on taken.label = q.label
where q.paused_at is not null or q.max_leases <= coalesce(taken.number, 0)
