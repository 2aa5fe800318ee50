-- Changes the status of a task, and other fields with it. A live lease allows cancelled alone, and that is only
-- requested. Where nothing differs, the version stays. No row: there is no such task.
-- Parts: columns, assignments, differs, allowed (of the other fields; update_tasks.toml).
-- Parameters: id uuid, calls json (array of one object: actor, versions, status and the other fields).
-- Columns: version bigint, task json, closed text (the status that forbids the change; null: none), matched
--   boolean (the version is one of those), fresh boolean (false: run it again), live_for_s integer (not null: a worker
--   holds the task).
/*lock_task*/, asked as (
    select *
    from json_to_recordset(%(calls)s) as (actor text, versions bigint[], status task_status/*columns*/)
), new as (
    update tasks t
    set
        status = case when held.live_for_s is null then asked.status else old.status end,
        -- A live lease leaves one change of status, to cancelled, and that is but asked for.
        cancel_requested = held.live_for_s is not null,
        finished_at = case
            when held.live_for_s is null and asked.status in ('done', 'cancelled', 'failed')
            then coalesce(old.finished_at, moment.at)
        end,
        result = case when old.status = 'done' and asked.status = 'done' then old.result end,
        /*assignments*/
        updated_at = moment.at,
        version = t.version + 1
    from old, held, asked, /*moment*/
    where
        t.id = old.id
        and held.fresh
        and (held.live_for_s is null or asked.status = 'cancelled')
        and (asked.versions is null or old.version = any(asked.versions))
        and (/*allowed*/ or asked.status = 'open')
        and (
            case when held.live_for_s is null then old.status <> asked.status else not old.cancel_requested end
            /*differs*/
        )
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id and new.status <> 'in_progress'
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'updated', asked.actor, difference.before, difference.after
    from old, new, asked, lateral (/*difference*/) as difference
)
select
    t.version,
    /*task*/ as task,
    (select old.status::text from old where not (/*allowed*/) and asked.status <> 'open') as closed,
    asked.versions is null or (select version from old) = any(asked.versions) as matched,
    held.fresh,
    case when asked.status <> 'cancelled' then held.live_for_s end as live_for_s
from held, asked, (select * from new union all select * from old where not exists (select from new)) t
