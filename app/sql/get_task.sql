select t.version, {task}
from tasks t
where t.id = %(id)s
