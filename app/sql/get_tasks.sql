select uuid_send(t.id), t.version, {task}
from tasks t
where t.id = any(%(ids)s::uuid[])
