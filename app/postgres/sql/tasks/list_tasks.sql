-- Reads a page of tasks as one text, a task a line. There is always one row.
-- The text is made outside, of the tasks of the page alone: beside "order by" it is made of all that are sorted.
-- Parts: conditions (and their parameters; list_tasks.toml), order, limit.
-- Parameters: none.
-- Columns: number bigint (tasks of the page), tasks bytea (null: there are none).
select count(*) as number, convert_to(string_agg(/*task_text*/, E',\n'), 'UTF8') as tasks
from (
    select t.*
    from tasks t
    where /*conditions*/
    order by /*order*/
    limit /*limit*/
) as t
