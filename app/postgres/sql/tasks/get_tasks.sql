-- Reads tasks by id; no row for one that does not exist.
-- Parameters: ids uuid[].
-- Columns: id bytea, version bigint, task bytea (JSON).
select uuid_send(t.id) as id, t.version, convert_to(/*task_text*/, 'UTF8') as task
from tasks t
-- In a select of its own, PostgreSQL cannot see how many there are; else it would plan anew each time.
where t.id = any((select %(ids)s::uuid[])::uuid[])
