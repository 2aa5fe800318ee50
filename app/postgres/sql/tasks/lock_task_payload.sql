-- Locks a task for the rest of the transaction and reads its payload. No row: there is no such task.
-- Parameters: id uuid.
-- Columns: payload json.
select payload
from tasks
where id = %(id)s
for update
