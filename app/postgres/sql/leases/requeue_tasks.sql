-- Requeues those tasks that still match, as requeue_task.sql does. They and their leases are locked.
-- Of several with one unique key, the oldest is reopened alone.
-- Parts: conditions (and their parameters; list_tasks.toml), changes, once (chosen.toml).
-- Parameters: chosen uuid[], actor text.
-- Columns: labels text[].
with old as materialized (
    select distinct on (/*once*/) t.*
    from tasks t
    where t.id = any(%(chosen)s::uuid[]) and /*conditions*/ and /*changes*/
    order by /*once*/, t.id
), new as (
    -- An insert, as an update has no order: keys are written in the order of insert_tasks.sql, so that calls that wait for
    -- each other's keys cannot deadlock.
    insert into tasks as t (id, title)
    select id, title from old order by unique_key, id
    on conflict (id) do update
    set
        /*reopened*/
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'requeued', %(actor)s, difference.before, difference.after
    from old join new on new.id = old.id, lateral (/*difference*/) as difference
)
select labels::text[] as labels from new
