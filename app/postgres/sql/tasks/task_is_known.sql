-- Says whether a task exists or has left a history.
-- Parameters: task_id uuid.
-- Columns: known boolean.
select
    exists (select from tasks where id = %(task_id)s)
    or exists (select from history where task_id = %(task_id)s) as known
