-- Finds ready tasks of queues with a limit that have room: somebody who waits may claim them since a lease ended.
-- Parameters: none.
-- Columns: labels text[].
with recursive stopped as materialized (
    /*stopped_queues*/
), found as (
    select q.label, first.lane, least(100, q.max_leases - live_leases(q.label)) as room
    from queues q, lateral (
        select r.lane from ready_labels r where r.label = q.label order by r.label, r.lane limit 1
    ) as first
    where q.max_leases is not null
    union all
    select found.label, next.lane, found.room
    from found, lateral (
        select r.lane
        from ready_labels r
        where r.label = found.label and r.lane > found.lane
        order by r.label, r.lane
        limit 1
    ) as next
)
select t.labels::text[] as labels
from found cross join stopped, lateral (
    select r.task_id
    from ready_labels r
    where r.label = found.label and r.lane = found.lane
    order by r.priority desc, r.due_at, r.task_id
    limit greatest(0, found.room)
) as r join tasks t on t.id = r.task_id
where not found.lane && stopped.ids
