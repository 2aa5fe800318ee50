-- Corrects the lanes of some tasks after a change of queues, so that claims pass over all tasks of a queue at once.
-- Skips what another transaction has locked. Once no lane is wrong, all queues that it sees are settled.
-- Parameters: bite bigint (rows at most, of each lane).
-- Columns: task_id uuid.
with recursive asked as (
    select label from queues
), /*lanes_of_labels*/, /*lanes*/, wrong as (
    -- Lanes of tasks that have the label of a queue that is not in the lane.
    select r.task_id
    from label_lane found join queues q on q.label = found.label, lateral (
        select r.task_id from ready_labels r where r.label = found.label and r.lane = found.lane limit %(bite)s
    ) as r
    where not found.lane @> array[q.id]
    union
    -- Lanes of queues that are gone.
    select r.task_id
    from lane, lateral (select r.task_id from ready_labels r where r.first and r.lane = lane.lane limit %(bite)s) as r
    where exists (select from unnest(lane.lane) as gone (id) where gone.id not in (select queues.id from queues))
), locked as (
    select r.task_id, r.label, lane_of(t.labels::text[]) as lane
    from wrong join ready_labels r on r.task_id = wrong.task_id join tasks t on t.id = r.task_id
    for update of r skip locked
), settled as (
    update queues set settled = true where not settled and not exists (select from wrong)
)
update ready_labels r
set lane = locked.lane
from locked
where r.task_id = locked.task_id and r.label = locked.label and r.lane <> locked.lane
returning r.task_id
