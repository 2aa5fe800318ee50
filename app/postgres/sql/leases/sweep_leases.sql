-- Records what time alone has done to leases: expired attempts and until when their tasks wait, tasks to be cancelled,
-- tasks without attempts left.
-- Takes 200 at most, and skips what another transaction has locked.
-- Parameters: none.
-- Columns: status task_status, labels text[].
with old as (
    select
        t.*, l.worker, l.attempt,
        case
            when t.cancel_requested then 'cancelled'::task_status
            when l.attempt >= t.max_attempts and /*lease_deadline*/ <= statement_timestamp() - interval '30 seconds' then 'failed'
            else t.status
        end as new_status,
        pause.until
    from
        leases l join tasks t on t.id = l.task_id,
        lateral (
            select case
                when t.retry is not null and l.attempt < t.max_attempts and not t.cancel_requested
                then /*lease_deadline*/ + /*retry_wait*/
            end
        ) as pause (until)
    where
        l.expires_at <= statement_timestamp()
        and /*lease_deadline*/ <= statement_timestamp()
        and (
            t.attempts < l.attempt
            -- It differs once a late pulse let the lease expire again.
            or pause.until is not null and t.rests_until is distinct from pause.until
            or t.cancel_requested
            or l.attempt >= t.max_attempts and /*lease_deadline*/ <= statement_timestamp() - interval '30 seconds'
        )
    order by l.expires_at
    limit 200
    for update of t, l skip locked
), new as (
    update tasks t
    set
        status = old.new_status,
        finished_at = case when old.new_status <> 'in_progress' then moment.at end,
        claimable_at = case when old.until > moment.at then old.until end, rests_until = old.until,
        attempts = old.attempt, cancel_requested = false, updated_at = moment.at, version = t.version + 1
    from old, /*moment*/
    where t.id = old.id
    returning t.*
), ended as (
    delete from leases l using new where l.task_id = new.id and new.status <> 'in_progress'
), written as (
    insert into history (task_id, version, action, before, after)
    select
        new.id, new.version, case when new.status = 'failed' then 'failed'::task_action else 'expired' end,
        difference.before,
        (
            select json_object_agg(key, value)
            from (
                select * from json_each(difference.after) union all values ('worker', to_json(old.worker))
            ) as member
        )
    from old join new on new.id = old.id, lateral (/*difference*/) as difference
)
select status, labels::text[] as labels from new
