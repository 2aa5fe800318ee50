select {task}
from tasks t
where
    (%(status)s::task_status[] is null or t.status = any(%(status)s::task_status[]))
    and (%(after_created_at)s::timestamptz is null or (t.created_at, t.id) < (%(after_created_at)s::timestamptz, %(after_id)s::uuid))
order by t.created_at desc, t.id desc
limit %(limit)s
