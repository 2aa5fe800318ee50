select uuid_send(t.id), t.version, convert_to({task_text}, 'UTF8')
from tasks t
-- In a select of its own, PostgreSQL cannot see how many there are; else it would plan anew each time.
where t.id = any((select %(ids)s::uuid[])::uuid[])
