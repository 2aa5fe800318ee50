select {task}
from tasks t
where {conditions}
order by {order}
limit %(limit)s
