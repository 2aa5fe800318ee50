select payload
from tasks
where id = %(id)s
for update
