select uuid_send(t.id), t.version, convert_to({task_text}, 'UTF8')
from tasks t
where t.id = any(%(ids)s::uuid[])
