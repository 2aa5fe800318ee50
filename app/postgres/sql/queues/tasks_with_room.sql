-- Finds ready tasks of queues with a limit that have room: somebody who waits may claim them since a lease ended.
-- Parameters: none.
-- Columns: labels text[].
with recursive stopped as materialized (
    /*stopped_queues*/
), asked as materialized (
    select q.label, least(100, q.max_leases - live_leases(q.label)) as room
    from queues q
    where q.max_leases is not null
), /*lanes_of_labels*/
select t.labels::text[] as labels
from asked join label_lane found on found.label = asked.label cross join stopped, lateral (
    select r.task_id
    from ready_labels r
    where r.label = found.label and r.lane = found.lane
    order by r.priority desc, r.due_at, r.task_id
    limit greatest(0, asked.room)
) as r join tasks t on t.id = r.task_id
where not found.lane && stopped.ids
