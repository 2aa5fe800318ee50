-- Deletes those tasks that still match, as delete_task.sql does. They and their leases are locked.
-- Parts: conditions (and their parameters; list_tasks.toml), changes (chosen.toml).
-- Parameters: chosen uuid[], actor text.
-- Columns: labels text[].
with gone as (
    delete from tasks t
    where t.id = any(%(chosen)s::uuid[]) and /*conditions*/ and /*changes*/
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before)
    select t.id, t.version, 'deleted', %(actor)s, /*task*/
    from gone t
)
select labels::text[] as labels from gone
