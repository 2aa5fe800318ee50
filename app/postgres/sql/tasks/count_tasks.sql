-- Counts the tasks of a list, on all its pages.
-- Parts: conditions (and their parameters; list_tasks.toml).
-- Parameters: none.
-- Columns: total bigint.
select count(*) as total
from tasks t
where /*conditions*/
