-- Finds those of some leases that have not ended.
-- Parameters: ids uuid[] (of the tasks), tokens uuid[].
-- Columns: token uuid.
select token
from leases
where task_id = any(%(ids)s) and token = any(%(tokens)s)
