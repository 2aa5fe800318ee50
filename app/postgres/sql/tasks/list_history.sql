select
    h.sequence,
    json_build_object(
        {change}
    )
from history h
left join api_keys k on k.id = h.actor
where h.task_id = %(task_id)s and h.sequence > %(after)s
order by h.sequence
limit %(limit)s
