-- Reads the changes of a task after a sequence number, oldest first.
-- Parameters: task_id uuid, after bigint, limit bigint.
-- Columns: sequence bigint, change json (a Change).
select
    h.sequence,
    json_build_object(
        /*change*/
    ) as change
from history h
left join api_keys k on k.id = h.actor
where h.task_id = %(task_id)s and h.sequence > %(after)s
order by h.sequence
limit %(limit)s
