select count(*), convert_to(string_agg(task, E',\n'), 'UTF8')
from (
    select {task_text} as task
    from tasks t
    where {conditions}
    order by {order}
    limit {limit}
) as page
