select t.id, t.version, {task}
from tasks t
where t.id = any(%(ids)s)
