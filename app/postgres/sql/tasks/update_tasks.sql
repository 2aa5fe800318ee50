-- Changes the same fields of many tasks, a task a call. Where nothing differs, the version stays.
-- No row for a call: there is no such task, or its row was skipped.
-- Parts: columns, assignments, differs, allowed, differences (of the fields; update_tasks.toml), waiting (what to do with
--   locked rows).
-- Parameters: calls json (objects with id, actor, versions and the fields), ids uuid[] (those of the calls).
-- Columns: id bytea, version bigint, task json, closed text (the status that forbids the change; null: none),
--   matched boolean (the version is one of those).
with asked as (
    select *
    from json_to_recordset(%(calls)s) as (id uuid, actor text, versions bigint[], /*columns*/)
), old as (
    select t.*
    from tasks t
    where t.id = any((select %(ids)s::uuid[])::uuid[]) -- planned once, as in get_tasks.sql
    for update /*waiting*/
), new as (
    update tasks t
    set
        /*assignments*/,
        updated_at = clock_timestamp(),
        version = t.version + 1
    from old join asked on asked.id = old.id
    where
        t.id = old.id
        and (asked.versions is null or old.version = any(asked.versions))
        and (/*differs*/)
        and /*allowed*/
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'updated', asked.actor, difference.before, difference.after
    from
        new join old on old.id = new.id join asked on asked.id = new.id,
        lateral (
            select json_object_agg(name, was) as before, json_object_agg(name, becomes) as after
            from (values
                /*differences*/,
                ('claimable_at', (
        select to_json(to_char(/*claimable_at*/, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        from (select old.status, old.run_after, old.rests_until, old.updated_at) as t
    ), (
        select to_json(to_char(/*claimable_at*/, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        from (select new.status, new.run_after, new.rests_until, new.updated_at) as t
    ))
            ) as field (name, was, becomes)
            where was::text is distinct from becomes::text
        ) as difference
)
select
    uuid_send(t.id) as id,
    t.version,
    /*task*/ as task,
    case when not (/*allowed*/) then old.status::text end as closed,
    asked.versions is null or old.version = any(asked.versions) as matched
from
    (select * from new union all select * from old where not exists (select from new where new.id = old.id)) t
    join old on old.id = t.id
    join asked on asked.id = t.id
