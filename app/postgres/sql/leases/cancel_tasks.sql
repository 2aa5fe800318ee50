-- Cancels those unfinished tasks that still match; of a live lease, that is only requested. They and their leases are locked.
-- Parts: conditions (and their parameters; list_tasks.toml), changes (chosen.toml).
-- Parameters: chosen uuid[], actor text.
-- Columns: labels text[].
with old as materialized (
    select
        t.*,
        exists (select from leases l where l.task_id = t.id and /*lease_deadline*/ > clock_timestamp()) as live
    from tasks t
    where t.id = any(%(chosen)s::uuid[]) and /*conditions*/ and /*changes*/
), new as (
    update tasks t
    set
        status = case when old.live then t.status else 'cancelled' end,
        cancel_requested = old.live,
        finished_at = case when not old.live then moment.at end,
        updated_at = moment.at,
        version = t.version + 1
    from old, /*moment*/
    where t.id = old.id
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id and new.status <> 'in_progress'
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select new.id, new.version, 'updated', %(actor)s, difference.before, difference.after
    from old join new on new.id = old.id, lateral (/*difference*/) as difference
)
select labels::text[] as labels from new
