-- Reads the unfinished tasks that have one of some unique keys.
-- Parameters: keys text[].
-- Columns: unique_key text, id uuid, version bigint, task json.
select t.unique_key, t.id, t.version, /*task*/ as task
from tasks t
where t.unique_key = any(%(keys)s::text[]) and t.finished_at is null
