-- Makes a task done that this token holds; a task that this token completed before is returned as it is.
-- No row: the token does not hold the task.
-- The result is json, not jsonb: kept as sent. jsonb would write 1e308 with 309 digits.
-- Parameters: id uuid, token uuid, actor text, result json.
-- Columns: version bigint, task json.
/*end_lease*/, asked as (
    select %(id)s::uuid as id, %(token)s::uuid as token, %(result)s::json as result
), /*completed*/
select t.version, /*task*/ as task
from (
    select * from new
    union all
    select * from old where old.status = 'done' and old.completed_by = %(token)s
) t
